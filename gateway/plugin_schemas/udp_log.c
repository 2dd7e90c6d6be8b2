/*
 * udp_log - the settings of udp-log (plugin reference, 20).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .has_between = true, .between_max = 65535},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    {.name = "custom_fields_by_lua", .kind = FIELD_MAP, .check = text_is_no_lua, .keys = &part_key,
     .values = &part_value},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema udp_log_plugin_schema = {
    .name = "udp-log",
    .version = "3.5.0",
    .priority = 8,
    .config = &config_record,
    .protocols = protocol_names,
};
