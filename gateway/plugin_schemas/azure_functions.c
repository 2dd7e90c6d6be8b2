/*
 * azure_functions - the settings of azure-functions (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "600000"},
    {.name = "keepalive", .kind = FIELD_NUMBER, .fallback = "60000"},
    {.name = "https", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "https_verify", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "apikey", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "clientid", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "appname", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "hostdomain", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"azurewebsites.net\""},
    {.name = "routeprefix", .kind = FIELD_STRING, .fallback = "\"api\""},
    {.name = "functionname", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema azure_functions_plugin_schema = {
    .name = "azure-functions",
    .version = "3.5.0",
    .priority = 749,
    .config = &config_record,
    .protocols = protocol_names,
    .absence = part_not_here,
};
