/*
 * correlation_id - the settings of correlation-id (plugin reference, 15).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/header_name.h"
#include "gateway/plugin_schemas/parts.h"

static const char *const generator_choices[] = {"uuid", "uuid#counter", "tracker", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "header_name", .kind = FIELD_STRING, .fallback = "\"Kong-Request-ID\"", .check = text_is_header_name},
    {.name = "generator", .kind = FIELD_STRING, .fallback = "\"uuid#counter\"", .one_of = generator_choices},
    {.name = "echo_downstream", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema correlation_id_plugin_schema = {
    .name = "correlation-id",
    .version = "3.5.0",
    .priority = 1,
    .config = &config_record,
    .protocols = part_web_protocols,
};
