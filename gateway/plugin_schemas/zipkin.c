/*
 * zipkin - the settings of zipkin (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include <stdio.h>
#include <string.h>

#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static bool has_each_name_once(const cJSON *tags, char message[256])
{
    const cJSON *tag;

    cJSON_ArrayForEach(tag, tags)
    {
        const char *name = document_text(tag, "name");
        for (const cJSON *other = tags->child; other != tag && name != NULL; other = other->next) {
            const char *before = document_text(other, "name");
            if (before == NULL || strcmp(before, name) != 0)
                continue;
            (void)snprintf(message, 256, "repeated tags are not allowed: %.200s", name);
            return false;
        }
    }
    return true;
}

static const char *const traceid_byte_count_choices[] = {"8", "16", NULL};

static const char *const default_header_type_choices[] = {"b3", "b3-single", "w3c", "jaeger",
                                                          "ot", "aws",       "gcp", NULL};

static const char *const static_tags_elements_name_reserved[] = {"error",
                                                                 "http.method",
                                                                 "http.path",
                                                                 "http.status_code",
                                                                 "kong.balancer.state",
                                                                 "kong.balancer.try",
                                                                 "kong.consumer",
                                                                 "kong.credential",
                                                                 "kong.node.id",
                                                                 "kong.route",
                                                                 "kong.service",
                                                                 "lc",
                                                                 "peer.hostname",
                                                                 NULL};

static const struct field static_tags_elements_fields[] = {
    /* clang-format off */
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .not_one_of = static_tags_elements_name_reserved},
    {.name = "value", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    /* clang-format on */
};

static const struct field static_tags_element = {.name = "elements",
                                                 .kind = FIELD_RECORD,
                                                 .fields = static_tags_elements_fields,
                                                 .field_count = COUNT(static_tags_elements_fields)};

static const char *const http_span_name_choices[] = {"method", "method_path", NULL};

static const char *const phase_duration_flavor_choices[] = {"annotations", "tags", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "local_service_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"kong\""},
    {.name = "http_endpoint", .kind = FIELD_STRING, .check = text_is_url},
    {.name = "sample_ratio", .kind = FIELD_NUMBER, .fallback = "0.001", .has_between = true, .between_max = 1},
    {.name = "default_service_name", .kind = FIELD_STRING},
    {.name = "include_credential", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "traceid_byte_count", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .fallback = "16",
     .one_of = traceid_byte_count_choices},
    {.name = "header_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"preserve\"",
     .one_of = part_trace_headers},
    {.name = "default_header_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"b3\"",
     .one_of = default_header_type_choices},
    {.name = "tags_header", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"Zipkin-Tags\""},
    {.name = "static_tags", .kind = FIELD_ARRAY, .check = has_each_name_once, .elements = &static_tags_element},
    {.name = "http_span_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"method\"",
     .one_of = http_span_name_choices},
    {.name = "connect_timeout", .kind = FIELD_INTEGER, .fallback = "2000", .has_between = true,
     .between_max = 2147483646},
    {.name = "send_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646},
    {.name = "read_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646},
    {.name = "http_response_header_for_traceid", .kind = FIELD_STRING},
    {.name = "phase_duration_flavor", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"annotations\"",
     .one_of = phase_duration_flavor_choices},
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

const struct plugin_schema zipkin_plugin_schema = {
    .name = "zipkin",
    .version = "3.5.0",
    .priority = 100000,
    .config = &config_record,
    .protocols = protocol_names,
};
