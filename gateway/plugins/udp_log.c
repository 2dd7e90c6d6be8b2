/*
 * udp_log - see udp_log.h.
 */

#include "gateway/plugins/udp_log.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_datagram.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/record_logger.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .has_between = true, .between_max = 65535},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    PART_CUSTOM_FIELDS_BY_LUA,
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static bool configure(const cJSON *config, void **object, struct err *err)
{
    const struct delivery_datagram_options sender = {
        .host = document_text(config, "host"),
        .port = (int)document_int(config, "port", 0),
        .timeout_ms = document_int(config, "timeout", 10000),
    };
    char *name = mem_printf("udp-log %s:%d", sender.host, sender.port);
    struct delivery_options options = {.name = name, .sender = delivery_datagram_new(&sender)};

    (void)err;
    delivery_rules_read(NULL, &options.rules);
    *object = record_logger_new(&options);
    free(name);
    return true;
}

const struct plugin udp_log_plugin = {
    .schema =
        {
            .name = "udp-log",
            .version = "3.5.0",
            .priority = 8,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = record_logger_dispose,
    .log = record_logger_log,
};
