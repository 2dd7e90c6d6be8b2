/*
 * proxy_cache - the settings of proxy-cache (plugin reference, 16).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field response_code_element = {
    .name = "elements", .kind = FIELD_INTEGER, .has_between = true, .between_min = 100, .between_max = 900};

static const char *const request_method_elements_choices[] = {"HEAD", "GET", "POST", "PATCH", "PUT", NULL};

static const struct field request_method_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = request_method_elements_choices};

static const char *const strategy_choices[] = {"memory", NULL};

static const struct field memory_fields[] = {
    /* clang-format off */
    {.name = "dictionary_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"kong_db_cache\""},
    /* clang-format on */
};

static const struct field response_headers_fields[] = {
    /* clang-format off */
    {.name = "age", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "X-Cache-Status", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "X-Cache-Key", .kind = FIELD_BOOLEAN, .fallback = "true"},
    /* clang-format on */
};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "response_code", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[200,301,404]", .len_min = 1,
     .elements = &response_code_element},
    {.name = "request_method", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[\"GET\",\"HEAD\"]",
     .elements = &request_method_element},
    {.name = "content_type", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED,
     .fallback = "[\"text/plain\",\"application/json\"]", .elements = &part_text},
    {.name = "cache_ttl", .kind = FIELD_INTEGER, .fallback = "300", .has_gt = true},
    {.name = "strategy", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .one_of = strategy_choices},
    {.name = "cache_control", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "ignore_uri_case", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "storage_ttl", .kind = FIELD_INTEGER},
    {.name = "memory", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = memory_fields,
     .field_count = COUNT(memory_fields)},
    {.name = "vary_query_params", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "vary_headers", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "response_headers", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = response_headers_fields,
     .field_count = COUNT(response_headers_fields)},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema proxy_cache_plugin_schema = {
    .name = "proxy-cache",
    .version = "3.5.0",
    .priority = 100,
    .config = &config_record,
    .protocols = protocol_names,
};
