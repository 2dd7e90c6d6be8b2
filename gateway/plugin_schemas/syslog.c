/*
 * syslog - the settings of syslog (plugin reference, 20).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const char *const facility_choices[] = {"auth",   "authpriv", "cron",   "daemon", "ftp",    "kern",
                                               "lpr",    "mail",     "news",   "syslog", "user",   "uucp",
                                               "local0", "local1",   "local2", "local3", "local4", "local5",
                                               "local6", "local7",   NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "log_level", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "successful_severity", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "client_errors_severity", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "server_errors_severity", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "custom_fields_by_lua", .kind = FIELD_MAP, .check = text_is_no_lua, .keys = &part_key,
     .values = &part_value},
    {.name = "facility", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"user\"",
     .one_of = facility_choices},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema syslog_plugin_schema = {
    .name = "syslog",
    .version = "3.5.0",
    .priority = 4,
    .config = &config_record,
    .protocols = protocol_names,
};
