/*
 * statsd - see statsd.h.
 */

#include "gateway/plugins/statsd.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/cache/cache.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_datagram.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/delivery_tcp.h"
#include "gateway/io/loop.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/setting_list.h"
#include "gateway/plugins/stat_facts.h"
#include "gateway/plugins/stat_packet.h"
#include "gateway/plugins/statsd_lines.h"

/* "200-299" */
static bool is_range(const cJSON *value, char message[256])
{
    static const char digits[] = "0123456789";
    size_t low = strspn(value->valuestring, digits);
    const char *dash = value->valuestring + low;
    size_t high = *dash == '-' ? strspn(dash + 1, digits) : 0;

    return part_refuse_unless(low > 0 && high > 0 && dash[1 + high] == '\0', value, message);
}

static const struct field_note range_notes[] = {{"match", "\"^[0-9]+-[0-9]+$\""}, {NULL, NULL}};

static const char metrics_default[] =
    "[{\"sample_rate\":1,\"name\":\"request_count\",\"stat_type\":\"counter\"},{\"stat_type\":\"timer\","
    "\"name\":\"latency\"},{\"sample_rate\":1,\"name\":\"request_size\",\"stat_type\":\"counter\"},{\"sample_"
    "rate\":1,\"name\":\"status_count\",\"stat_type\":\"counter\"},{\"sample_rate\":1,\"name\":\"response_"
    "size\",\"stat_type\":\"counter\"},{\"name\":\"unique_users\",\"stat_type\":\"set\"},{\"sample_rate\":1,"
    "\"stat_type\":\"counter\",\"name\":\"request_per_user\"},{\"stat_type\":\"timer\",\"name\":\"upstream_"
    "latency\"},{\"stat_type\":\"timer\",\"name\":\"kong_latency\"},{\"sample_rate\":1,\"stat_type\":"
    "\"counter\",\"name\":\"status_count_per_user\"},{\"sample_rate\":1,\"name\":\"status_count_per_"
    "workspace\",\"stat_type\":\"counter\"},{\"sample_rate\":1,\"stat_type\":\"counter\",\"name\":\"status_"
    "count_per_user_per_route\"},{\"sample_rate\":1,\"name\":\"shdict_usage\",\"stat_type\":\"gauge\"}]";

static const char *const metrics_elements_name_choices[] = {"kong_latency",
                                                            "latency",
                                                            "request_count",
                                                            "request_per_user",
                                                            "request_size",
                                                            "response_size",
                                                            "status_count",
                                                            "status_count_per_user",
                                                            "unique_users",
                                                            "upstream_latency",
                                                            "status_count_per_workspace",
                                                            "status_count_per_user_per_route",
                                                            "shdict_usage",
                                                            NULL};

static const char *const metrics_elements_stat_type_choices[] = {"counter", "gauge", "histogram", "meter",
                                                                 "set",     "timer", NULL};

static const char *const metrics_elements_service_identifier_choices[] = {
    "service_id", "service_name", "service_host", "service_name_or_host", NULL};

static const char *const metrics_elements_workspace_identifier_choices[] = {"workspace_id", "workspace_name",
                                                                            NULL};

static const struct field metrics_elements_fields[] = {
    /* clang-format off */
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .one_of = metrics_elements_name_choices},
    {.name = "stat_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED,
     .one_of = metrics_elements_stat_type_choices},
    {.name = "sample_rate", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "consumer_identifier", .kind = FIELD_STRING, .one_of = part_consumer_identifiers},
    {.name = "service_identifier", .kind = FIELD_STRING, .one_of = metrics_elements_service_identifier_choices},
    {.name = "workspace_identifier", .kind = FIELD_STRING, .one_of = metrics_elements_workspace_identifier_choices},
    /* clang-format on */
};

static const struct field metrics_element = {.name = "elements",
                                             .kind = FIELD_RECORD,
                                             .fields = metrics_elements_fields,
                                             .field_count = COUNT(metrics_elements_fields),
                                             .checks = part_metric_checks,
                                             .check_count = COUNT(part_metric_checks)};

static const struct field allow_status_codes_element = {
    .name = "elements", .kind = FIELD_STRING, .check = is_range, .notes = range_notes};

static const char *const tag_style_choices[] = {"dogstatsd", "influxdb", "librato", "signalfx", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .fallback = "\"localhost\"", .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .fallback = "8125", .has_between = true, .between_max = 65535},
    {.name = "prefix", .kind = FIELD_STRING, .fallback = "\"kong\""},
    {.name = "metrics", .kind = FIELD_ARRAY, .fallback = metrics_default, .elements = &metrics_element},
    {.name = "allow_status_codes", .kind = FIELD_ARRAY, .elements = &allow_status_codes_element},
    {.name = "udp_packet_size", .kind = FIELD_NUMBER, .fallback = "0", .has_between = true, .between_max = 65507},
    {.name = "use_tcp", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "hostname_in_prefix", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "consumer_identifier_default", .kind = FIELD_STRING, .flags = FIELD_REQUIRED,
     .fallback = "\"custom_id\"", .one_of = part_consumer_identifiers},
    {.name = "service_identifier_default", .kind = FIELD_STRING, .flags = FIELD_REQUIRED,
     .fallback = "\"service_name_or_host\"", .one_of = metrics_elements_service_identifier_choices},
    {.name = "workspace_identifier_default", .kind = FIELD_STRING, .flags = FIELD_REQUIRED,
     .fallback = "\"workspace_id\"", .one_of = metrics_elements_workspace_identifier_choices},
    {.name = "retry_count", .kind = FIELD_INTEGER},
    {.name = "queue_size", .kind = FIELD_INTEGER},
    {.name = "flush_timeout", .kind = FIELD_NUMBER},
    {.name = "tag_style", .kind = FIELD_STRING, .one_of = tag_style_choices},
    {.name = "queue", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = part_queue_fields,
     .field_count = COUNT(part_queue_fields)},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

enum {
    POOLS_PAUSE_US = 60 * 1000 * 1000, /* between two reports about the node's memory */
    LINES_ROOM = 1024,                 /* bytes of most requests */
    TCP_TIMEOUT_MS = 10 * 1000,
    TCP_KEEPALIVE_MS = 60 * 1000,
};

struct range {
    int64_t from, to;
};

struct settings {
    struct statsd_plan plan;
    struct delivery_queue *queue;
    struct range *statuses;
    size_t status_count;          /* 0: all */
    _Atomic int64_t *pools_at_us; /* thread: any; loop_clock_us() of the last report; 0: none */
};

static void dispose(void *object)
{
    struct settings *settings = object;

    delivery_queue_let_go(settings->queue);
    statsd_plan_fini(&settings->plan);
    free(settings->statuses);
    free(settings->pools_at_us);
    free(settings);
}

static bool cut_lines(struct str lines, size_t limit, size_t *from, struct buf *room, struct str *datagram)
{
    (void)room;
    return stat_packet_next(lines, limit, from, datagram);
}

static struct delivery_sender *make_sender(const cJSON *config, const char *host, int port)
{
    const cJSON *packet = cJSON_GetObjectItemCaseSensitive(config, "udp_packet_size");
    const struct delivery_tcp_options tcp = {.host = host,
                                             .port = port,
                                             .timeout_ms = TCP_TIMEOUT_MS,
                                             .keepalive_ms = TCP_KEEPALIVE_MS,
                                             .behind = STR("")};
    const struct delivery_datagram_options udp = {
        .host = host,
        .port = port,
        .cut = cut_lines,
        .limit = cJSON_IsNumber(packet) ? (size_t)packet->valuedouble : 0,
        .joined = true,
    };

    return document_bool(config, "use_tcp", false) ? delivery_tcp_new(&tcp) : delivery_datagram_new(&udp);
}

/* "200-299"; the schema has seen to the form. */
static void read_statuses(struct settings *settings, const cJSON *config)
{
    struct setting_list list = setting_list_read(config, "allow_status_codes");

    settings->statuses = mem_zalloc((list.count + 1) * sizeof(*settings->statuses));
    for (size_t i = 0; i < list.count; i++) {
        struct str text = str_of(list.at[i]);
        size_t dash = str_find(text, '-', 0);
        struct range *range = &settings->statuses[settings->status_count];
        if (dash != SIZE_MAX && str_to_int(str_part(text, 0, dash), &range->from) &&
            str_to_int(str_part(text, dash + 1, text.len), &range->to))
            settings->status_count++;
    }
    setting_list_fini(&list);
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const char *given_host = document_text(config, "host");
    const char *host = given_host != NULL ? given_host : "localhost";
    int port = (int)document_int(config, "port", 8125);
    const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(config, "metrics");
    cJSON *defaults = cJSON_IsArray(metrics) ? NULL : cJSON_Parse(metrics_default);
    char *name = mem_printf("statsd %s:%d", host, port);
    struct delivery_options options = {.name = name, .sender = make_sender(config, host, port)};

    (void)err;
    statsd_plan_read(&settings->plan, config, defaults != NULL ? defaults : metrics);
    read_statuses(settings, config);
    settings->pools_at_us = mem_zalloc(sizeof(*settings->pools_at_us));
    delivery_rules_of(config, &options.rules);
    settings->queue = delivery_queue_new(&options);
    cJSON_Delete(defaults);
    free(name);
    *object = settings;
    return true;
}

static bool is_told(const struct settings *settings, int status)
{
    for (size_t i = 0; i < settings->status_count; i++)
        if (status >= settings->statuses[i].from && status <= settings->statuses[i].to)
            return true;
    return settings->status_count == 0;
}

/* Whose turn it is to report about memory: of all loops one, once a minute. */
static bool take_turn(const struct settings *settings)
{
    int64_t now_us = loop_clock_us();
    int64_t last_us = atomic_load_explicit(settings->pools_at_us, memory_order_relaxed);

    return settings->plan.has_pools && (last_us == 0 || now_us - last_us >= POOLS_PAUSE_US) &&
           atomic_compare_exchange_strong_explicit(settings->pools_at_us, &last_us, now_us,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static void add_pools(const struct settings *settings, const struct chain_world *world, struct buf *lines)
{
    struct cache_stats stats;

    cache_read_stats(world->cache, &stats);
    int64_t used = (int64_t)(stats.bytes < stats.capacity_bytes ? stats.bytes : stats.capacity_bytes);
    const struct statsd_pool pool = {
        .name = STR("kong_db_cache"), /* as clients know it */
        .free_bytes = (int64_t)stats.capacity_bytes - used,
        .capacity_bytes = (int64_t)stats.capacity_bytes,
    };
    statsd_lines_of_pool(&settings->plan, &pool, str_of(world->host_name), lines);
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct stat_facts facts;
    struct buf lines = {0};

    stat_facts_of(&facts, chain);
    if (!is_told(settings, facts.status))
        return;
    (void)buf_reserve(&lines, LINES_ROOM);
    statsd_lines_of_request(&settings->plan, &facts, str_of(chain->world->host_name), &lines);
    if (take_turn(settings))
        add_pools(settings, chain->world, &lines);
    if (lines.len > 0)
        delivery_queue_add(settings->queue, chain->world->delivery, buf_str(&lines));
    buf_fini(&lines);
}

const struct plugin statsd_plugin = {
    .schema =
        {
            .name = "statsd",
            .version = "3.5.0",
            .priority = 11,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = dispose,
    .log = log_phase,
};
