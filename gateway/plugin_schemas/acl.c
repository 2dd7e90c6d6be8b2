/*
 * acl - the settings of acl (plugin reference, 5).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allow", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "deny", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "hide_groups_header", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const groups[] = {"config.allow", "config.deny", NULL};

static const struct check checks[] = {
    {.kind = CHECK_ONLY_ONE_OF, .names = groups},
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = groups},
};

const struct plugin_schema acl_plugin_schema = {
    .name = "acl",
    .version = "3.5.0",
    .priority = 950,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
    .checks = checks,
    .check_count = COUNT(checks),
};
