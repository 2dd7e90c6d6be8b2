/*
 * opentelemetry - the settings of opentelemetry (plugin reference, 22).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/header_name.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field headers_key = {.name = "keys", .kind = FIELD_STRING, .check = text_is_header_name};

static const struct field headers_value = {
    .name = "values", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "endpoint", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE, .check = text_is_url},
    {.name = "headers", .kind = FIELD_MAP, .keys = &headers_key, .values = &headers_value},
    {.name = "resource_attributes", .kind = FIELD_MAP, .keys = &part_key, .values = &part_value},
    {.name = "queue", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = part_queue_fields,
     .field_count = COUNT(part_queue_fields)},
    {.name = "batch_span_count", .kind = FIELD_INTEGER},
    {.name = "batch_flush_delay", .kind = FIELD_INTEGER},
    {.name = "connect_timeout", .kind = FIELD_INTEGER, .fallback = "1000", .has_between = true,
     .between_max = 2147483646},
    {.name = "send_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646},
    {.name = "read_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646},
    {.name = "http_response_header_for_traceid", .kind = FIELD_STRING},
    {.name = "header_type", .kind = FIELD_STRING, .fallback = "\"preserve\"", .one_of = part_trace_headers},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema opentelemetry_plugin_schema = {
    .name = "opentelemetry",
    .version = "3.5.0",
    .priority = 14,
    .config = &config_record,
    .protocols = part_web_protocols,
};
