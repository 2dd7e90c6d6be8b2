/*
 * bot_detection - the settings of bot-detection (plugin reference, 7).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const struct field allow_element = {.name = "elements", .kind = FIELD_STRING, .flags = FIELD_IS_REGEX};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allow", .kind = FIELD_ARRAY, .fallback = "[]", .elements = &allow_element},
    {.name = "deny", .kind = FIELD_ARRAY, .fallback = "[]", .elements = &allow_element},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema bot_detection_plugin_schema = {
    .name = "bot-detection",
    .version = "3.5.0",
    .priority = 2500,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
};
