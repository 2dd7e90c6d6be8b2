/*
 * session - the settings of session (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const char *const storage_choices[] = {"cookie", "kong", NULL};

static const char *const cookie_same_site_choices[] = {"Strict", "Lax", "None", "Default", NULL};

static const char *const response_headers_elements_choices[] = {
    "id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout", NULL};

static const struct field response_headers_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = response_headers_elements_choices};

static const char *const logout_methods_elements_choices[] = {"GET", "POST", "DELETE", NULL};

static const struct field logout_methods_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = logout_methods_elements_choices};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_AUTO | FIELD_REFERENCEABLE | FIELD_ENCRYPTED,
     .made_length = 44},
    {.name = "storage", .kind = FIELD_STRING, .fallback = "\"cookie\"", .one_of = storage_choices},
    {.name = "audience", .kind = FIELD_STRING, .fallback = "\"default\""},
    {.name = "idling_timeout", .kind = FIELD_NUMBER, .fallback = "900"},
    {.name = "rolling_timeout", .kind = FIELD_NUMBER, .fallback = "3600"},
    {.name = "absolute_timeout", .kind = FIELD_NUMBER, .fallback = "86400"},
    {.name = "stale_ttl", .kind = FIELD_NUMBER, .fallback = "10"},
    {.name = "cookie_name", .kind = FIELD_STRING, .fallback = "\"session\""},
    {.name = "cookie_path", .kind = FIELD_STRING, .fallback = "\"/\""},
    {.name = "cookie_domain", .kind = FIELD_STRING},
    {.name = "cookie_same_site", .kind = FIELD_STRING, .fallback = "\"Strict\"", .one_of = cookie_same_site_choices},
    {.name = "cookie_http_only", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "cookie_secure", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "remember", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "remember_cookie_name", .kind = FIELD_STRING, .fallback = "\"remember\""},
    {.name = "remember_rolling_timeout", .kind = FIELD_NUMBER, .fallback = "604800"},
    {.name = "remember_absolute_timeout", .kind = FIELD_NUMBER, .fallback = "2592000"},
    {.name = "response_headers", .kind = FIELD_SET, .elements = &response_headers_element},
    {.name = "request_headers", .kind = FIELD_SET, .elements = &response_headers_element},
    {.name = "read_body_for_logout", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "logout_methods", .kind = FIELD_SET, .fallback = "[\"POST\",\"DELETE\"]",
     .elements = &logout_methods_element},
    {.name = "logout_query_arg", .kind = FIELD_STRING, .fallback = "\"session_logout\""},
    {.name = "logout_post_arg", .kind = FIELD_STRING, .fallback = "\"session_logout\""},
    /* clang-format on */
};

static const struct field_alias aliases[] = {
    {"cookie_lifetime", "rolling_timeout"},
    {"cookie_idletime", "idling_timeout"},
    {"cookie_samesite", "cookie_same_site"},
    {"cookie_httponly", "cookie_http_only"},
    {"cookie_discard", "stale_ttl"},
    {"cookie_persistent", "remember"},
    {"cookie_renew", ""},
    {NULL, NULL},
};

static const struct field config_record = {
    .name = "config",
    .aliases = aliases,
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema session_plugin_schema = {
    .name = "session",
    .version = "3.5.0",
    .priority = 1900,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
    .absence = part_not_here,
};
