/*
 * basic_auth - the settings of basic-auth (plugin reference, 2).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "anonymous", .kind = FIELD_STRING},
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema basic_auth_plugin_schema = {
    .name = "basic-auth",
    .version = "3.5.0",
    .priority = 1100,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
};
