/*
 * ip_restriction - the settings of ip-restriction (plugin reference, 6).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"

static const struct field allow_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_ip_or_cidr};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allow", .kind = FIELD_ARRAY, .elements = &allow_element},
    {.name = "deny", .kind = FIELD_ARRAY, .elements = &allow_element},
    {.name = "status", .kind = FIELD_NUMBER},
    {.name = "message", .kind = FIELD_STRING},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const lists[] = {"config.allow", "config.deny", NULL};

static const struct check checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = lists}};

const struct plugin_schema ip_restriction_plugin_schema = {
    .name = "ip-restriction",
    .version = "3.5.0",
    .priority = 990,
    .config = &config_record,
    .protocols = protocol_names,
    .protocols_default = "[\"http\",\"https\",\"tcp\",\"tls\",\"grpc\",\"grpcs\"]",
    .checks = checks,
    .check_count = COUNT(checks),
};
