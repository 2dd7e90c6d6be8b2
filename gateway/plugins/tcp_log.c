/*
 * tcp_log - see tcp_log.h.
 */

#include "gateway/plugins/tcp_log.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/delivery_tcp.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/record_logger.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .has_between = true, .between_max = 65535},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    {.name = "keepalive", .kind = FIELD_NUMBER, .fallback = "60000"},
    {.name = "tls", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "tls_sni", .kind = FIELD_STRING, .check = text_is_sni},
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
    const struct delivery_tcp_options sender = {
        .host = document_text(config, "host"),
        .port = (int)document_int(config, "port", 0),
        .tls = document_bool(config, "tls", false),
        .tls_name = document_text(config, "tls_sni"),
        .timeout_ms = document_int(config, "timeout", 10000),
        .keepalive_ms = document_int(config, "keepalive", 60000),
        .behind = STR("\n"),
    };
    char *name = mem_printf("tcp-log %s:%d", sender.host, sender.port);
    struct delivery_options options = {.name = name, .sender = delivery_tcp_new(&sender)};

    (void)err;
    delivery_rules_read(NULL, &options.rules);
    *object = record_logger_new(&options);
    free(name);
    return true;
}

const struct plugin tcp_log_plugin = {
    .schema =
        {
            .name = "tcp-log",
            .version = "3.5.0",
            .priority = 7,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = record_logger_dispose,
    .log = record_logger_log,
};
