/*
 * pre_and_post_function - the settings of pre-function and post-function, which are the same (plugin
 * reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "certificate", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    {.name = "rewrite", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    {.name = "access", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    {.name = "header_filter", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    {.name = "body_filter", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    {.name = "log", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const phases[] = {"config.certificate",
                                     "config.rewrite",
                                     "config.access",
                                     "config.header_filter",
                                     "config.body_filter",
                                     "config.log",
                                     NULL};

static const struct check checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = phases}};

const struct plugin_schema pre_function_plugin_schema = {
    .name = "pre-function",
    .version = "3.5.0",
    .priority = 1000000,
    .config = &config_record,
    .protocols = protocol_names,
    .refuses_consumer = true,
    .checks = checks,
    .check_count = COUNT(checks),
    .absence = part_no_lua,
};

const struct plugin_schema post_function_plugin_schema = {
    .name = "post-function",
    .version = "3.5.0",
    .priority = -1000,
    .config = &config_record,
    .protocols = protocol_names,
    .refuses_consumer = true,
    .checks = checks,
    .check_count = COUNT(checks),
    .absence = part_no_lua,
};
