/*
 * request_size_limiting - the settings of request-size-limiting (plugin reference, 11).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const char *const size_unit_choices[] = {"megabytes", "kilobytes", "bytes", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allowed_payload_size", .kind = FIELD_INTEGER, .fallback = "128"},
    {.name = "size_unit", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"megabytes\"",
     .one_of = size_unit_choices},
    {.name = "require_content_length", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema request_size_limiting_plugin_schema = {
    .name = "request-size-limiting",
    .version = "3.5.0",
    .priority = 951,
    .config = &config_record,
    .protocols = part_web_protocols,
};
