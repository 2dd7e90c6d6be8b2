/*
 * statsd - the settings of statsd (plugin reference, 21).
 */

#include "gateway/plugin_schemas/rows.h"

#include <string.h>

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

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

const struct plugin_schema statsd_plugin_schema = {
    .name = "statsd",
    .version = "3.5.0",
    .priority = 11,
    .config = &config_record,
    .protocols = protocol_names,
};
