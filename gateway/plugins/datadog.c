/*
 * datadog - see datadog.h.
 */

#include "gateway/plugins/datadog.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_datagram.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/datadog_lines.h"
#include "gateway/plugins/stat_facts.h"
#include "gateway/plugins/stat_packet.h"

static bool does_not_end_in_colon(const cJSON *value, char message[256])
{
    size_t length = strlen(value->valuestring);

    return part_refuse_unless(length > 0 && value->valuestring[length - 1] != ':', value, message);
}

static const struct field_note tag_notes[] = {{"match", "\"^.*[^:]$\""}, {NULL, NULL}};

static const char metrics_default[] =
    "[{\"sample_rate\":1,\"tags\":[\"app:kong\"],\"consumer_identifier\":\"custom_id\",\"stat_type\":"
    "\"counter\",\"name\":\"request_count\"},{\"name\":\"latency\",\"tags\":[\"app:kong\"],\"consumer_"
    "identifier\":\"custom_id\",\"stat_type\":\"timer\"},{\"name\":\"request_size\",\"tags\":[\"app:kong\"],"
    "\"consumer_identifier\":\"custom_id\",\"stat_type\":\"timer\"},{\"name\":\"response_size\",\"tags\":["
    "\"app:kong\"],\"consumer_identifier\":\"custom_id\",\"stat_type\":\"timer\"},{\"name\":\"upstream_"
    "latency\",\"tags\":[\"app:kong\"],\"consumer_identifier\":\"custom_id\",\"stat_type\":\"timer\"},{"
    "\"name\":\"kong_latency\",\"tags\":[\"app:kong\"],\"consumer_identifier\":\"custom_id\",\"stat_type\":"
    "\"timer\"}]";

static const char *const metrics_elements_name_choices[] = {
    "kong_latency", "latency", "request_count", "request_size", "response_size", "upstream_latency", NULL};

static const char *const metrics_elements_stat_type_choices[] = {"counter", "gauge", "histogram",    "meter",
                                                                 "set",     "timer", "distribution", NULL};

static const struct field tags_element = {
    .name = "elements", .kind = FIELD_STRING, .check = does_not_end_in_colon, .notes = tag_notes};

static const struct field metrics_elements_fields[] = {
    /* clang-format off */
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .one_of = metrics_elements_name_choices},
    {.name = "stat_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED,
     .one_of = metrics_elements_stat_type_choices},
    {.name = "tags", .kind = FIELD_ARRAY, .elements = &tags_element},
    {.name = "sample_rate", .kind = FIELD_NUMBER, .has_between = true, .between_max = 1},
    {.name = "consumer_identifier", .kind = FIELD_STRING, .one_of = part_consumer_identifiers},
    /* clang-format on */
};

static const struct field metrics_element = {.name = "elements",
                                             .kind = FIELD_RECORD,
                                             .fields = metrics_elements_fields,
                                             .field_count = COUNT(metrics_elements_fields),
                                             .checks = part_metric_checks,
                                             .check_count = COUNT(part_metric_checks)};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE, .fallback = "\"localhost\"",
     .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .fallback = "8125", .has_between = true, .between_max = 65535},
    {.name = "prefix", .kind = FIELD_STRING, .fallback = "\"kong\""},
    {.name = "service_name_tag", .kind = FIELD_STRING, .fallback = "\"name\""},
    {.name = "status_tag", .kind = FIELD_STRING, .fallback = "\"status\""},
    {.name = "consumer_tag", .kind = FIELD_STRING, .fallback = "\"consumer\""},
    {.name = "retry_count", .kind = FIELD_INTEGER},
    {.name = "queue_size", .kind = FIELD_INTEGER},
    {.name = "flush_timeout", .kind = FIELD_NUMBER},
    {.name = "queue", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = part_queue_fields,
     .field_count = COUNT(part_queue_fields)},
    {.name = "metrics", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = metrics_default,
     .elements = &metrics_element},
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
    struct datadog_plan plan;
    struct delivery_queue *queue;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    delivery_queue_let_go(settings->queue);
    datadog_plan_fini(&settings->plan);
    free(settings);
}

static bool cut_lines(struct str lines, size_t limit, size_t *from, struct buf *room, struct str *datagram)
{
    (void)room;
    return stat_packet_next(lines, limit, from, datagram);
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const char *host = document_text(config, "host");
    const struct delivery_datagram_options sender = {
        .host = host != NULL ? host : "localhost",
        .port = (int)document_int(config, "port", 8125),
        .cut = cut_lines,
        .joined = true,
    };
    char *name = mem_printf("datadog %s:%d", sender.host, sender.port);
    struct delivery_options options = {.name = name, .sender = delivery_datagram_new(&sender)};

    (void)err;
    datadog_plan_read(&settings->plan, config);
    delivery_rules_of(config, &options.rules);
    settings->queue = delivery_queue_new(&options);
    free(name);
    *object = settings;
    return true;
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct stat_facts facts;
    struct buf lines = {0};

    stat_facts_of(&facts, chain);
    datadog_lines_of_request(&settings->plan, &facts, &lines);
    if (lines.len > 0)
        delivery_queue_add(settings->queue, chain->world->delivery, buf_str(&lines));
    buf_fini(&lines);
}

const struct plugin datadog_plugin = {
    .schema =
        {
            .name = "datadog",
            .version = "3.5.0",
            .priority = 10,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = dispose,
    .log = log_phase,
};
