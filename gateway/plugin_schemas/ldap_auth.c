/*
 * ldap_auth - the settings of ldap-auth (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "ldap_host", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "ldap_port", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .fallback = "389", .has_between = true,
     .between_max = 65535},
    {.name = "ldaps", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "start_tls", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "verify_ldap_host", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "base_dn", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "attribute", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "cache_ttl", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "60"},
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    {.name = "keepalive", .kind = FIELD_NUMBER, .fallback = "60000"},
    {.name = "anonymous", .kind = FIELD_STRING},
    {.name = "header_type", .kind = FIELD_STRING, .fallback = "\"ldap\""},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const struct field if_ldaps = {.name = "config.ldaps", .eq_json = "true"};

static const struct field no_start_tls = {.name = "config.start_tls", .eq_json = "false"};

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL,
     .if_field = &if_ldaps,
     .then_field = &no_start_tls,
     .then_error = "'ldaps' and 'start_tls' cannot be enabled simultaneously"}};

const struct plugin_schema ldap_auth_plugin_schema = {
    .name = "ldap-auth",
    .version = "3.5.0",
    .priority = 1200,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
    .checks = checks,
    .check_count = COUNT(checks),
    .absence = part_not_here,
};
