/*
 * udp_log - see udp_log.h.
 */

#include "gateway/plugins/udp_log.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_datagram.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/log_record.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .has_between = true, .between_max = 65535},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    {.name = "custom_fields_by_lua", .kind = FIELD_MAP, .check = text_is_no_lua, .keys = &part_key,
     .values = &part_value},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

struct settings {
    struct delivery_queue *queue;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    delivery_queue_let_go(settings->queue);
    free(settings);
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const struct delivery_datagram_options sender = {
        .host = document_text(config, "host"),
        .port = (int)document_int(config, "port", 0),
        .timeout_ms = document_int(config, "timeout", 10000),
    };
    char *name = mem_printf("udp-log %s:%d", sender.host, sender.port);
    struct delivery_options options = {.name = name, .sender = delivery_datagram_new(&sender)};

    (void)err;
    delivery_rules_read(NULL, &options.rules);
    settings->queue = delivery_queue_new(&options);
    free(name);
    *object = settings;
    return true;
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;

    delivery_queue_add(settings->queue, chain->world->delivery, log_record(chain));
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
    .dispose = dispose,
    .log = log_phase,
};
