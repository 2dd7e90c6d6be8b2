/*
 * loggly - the settings of loggly (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .fallback = "\"logs-01.loggly.com\"", .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .fallback = "514", .has_between = true, .between_max = 65535},
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "tags", .kind = FIELD_SET, .fallback = "[\"kong\"]", .elements = &part_text},
    {.name = "log_level", .kind = FIELD_STRING, .fallback = "\"info\"", .one_of = part_severities},
    {.name = "successful_severity", .kind = FIELD_STRING, .fallback = "\"info\"", .one_of = part_severities},
    {.name = "client_errors_severity", .kind = FIELD_STRING, .fallback = "\"info\"", .one_of = part_severities},
    {.name = "server_errors_severity", .kind = FIELD_STRING, .fallback = "\"info\"", .one_of = part_severities},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    PART_CUSTOM_FIELDS_BY_LUA,
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema loggly_plugin_schema = {
    .name = "loggly",
    .version = "3.5.0",
    .priority = 6,
    .config = &config_record,
    .protocols = protocol_names,
    .absence = part_not_here,
};
