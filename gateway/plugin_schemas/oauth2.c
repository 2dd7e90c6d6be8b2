/*
 * oauth2 - the settings of oauth2 (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include <stdio.h>

#include "gateway/model/document.h"
#include "gateway/plugin_schemas/parts.h"

static bool has_a_flow(const cJSON *config, char message[256])
{
    static const char *const flows[] = {"enable_authorization_code", "enable_implicit_grant",
                                        "enable_client_credentials", "enable_password_grant"};

    for (size_t i = 0; i < COUNT(flows); i++)
        if (document_bool(config, flows[i], false))
            return true;
    (void)snprintf(message, 256, "at least one of these fields must be true: %s, %s, %s, %s", flows[0],
                   flows[1], flows[2], flows[3]);
    return false;
}

static const struct field if_mandatory = {.name = "mandatory_scope", .eq_json = "true"};

static const struct field needs_scopes = {.name = "scopes", .flags = FIELD_REQUIRED};

static const struct check config_checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &if_mandatory, .then_field = &needs_scopes}};

static const char *const pkce_choices[] = {"none", "lax", "strict", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "scopes", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "mandatory_scope", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "provision_key", .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED | FIELD_UNIQUE | FIELD_AUTO | FIELD_ENCRYPTED},
    {.name = "token_expiration", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "7200"},
    {.name = "enable_authorization_code", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "enable_implicit_grant", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "enable_client_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "enable_password_grant", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "accept_http_if_already_terminated", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED,
     .fallback = "false"},
    {.name = "anonymous", .kind = FIELD_STRING},
    {.name = "global_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "auth_header_name", .kind = FIELD_STRING, .fallback = "\"authorization\""},
    {.name = "refresh_token_ttl", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "1209600",
     .has_between = true, .between_max = 100000000},
    {.name = "reuse_refresh_token", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "pkce", .kind = FIELD_STRING, .fallback = "\"lax\"", .one_of = pkce_choices},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
    .check = has_a_flow,
    .checks = config_checks,
    .check_count = COUNT(config_checks),
};

const struct plugin_schema oauth2_plugin_schema = {
    .name = "oauth2",
    .version = "3.5.0",
    .priority = 1400,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
    .absence = part_not_here,
};
