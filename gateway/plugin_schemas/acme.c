/*
 * acme - the settings of acme (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include <string.h>

#include "gateway/model/route_checks.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static bool has_at_sign(const cJSON *value, char message[256])
{
    return part_refuse_unless(strchr(value->valuestring, '@') != NULL, value, message);
}

static const struct field_note email_notes[] = {{"match", "\"%w*%p*@+%w*%.?%w*\""}, {NULL, NULL}};

static const struct field account_key_fields[] = {
    /* clang-format off */
    {.name = "key_id", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "key_set", .kind = FIELD_STRING},
    /* clang-format on */
};

static const char *const cert_type_choices[] = {"rsa", "ecc", NULL};

static const char *const rsa_key_size_choices[] = {"2048", "3072", "4096", NULL};

static const struct field domains_element = {
    .name = "elements", .kind = FIELD_STRING, .check = route_host_check};

static const char *const storage_choices[] = {"kong", "shm", "redis", "consul", "vault", NULL};

static const struct field storage_config_shm_fields[] = {
    /* clang-format off */
    {.name = "shm_name", .kind = FIELD_STRING, .fallback = "\"kong\""},
    /* clang-format on */
};

static const struct field storage_config_redis_fields[] = {
    /* clang-format off */
    {.name = "host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .has_between = true, .between_max = 65535},
    {.name = "database", .kind = FIELD_NUMBER},
    {.name = "auth", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    {.name = "ssl", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "ssl_verify", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "ssl_server_name", .kind = FIELD_STRING, .check = text_is_sni},
    {.name = "namespace", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_EMPTY_OK, .fallback = "\"\""},
    {.name = "scan_count", .kind = FIELD_NUMBER, .fallback = "10"},
    /* clang-format on */
};

static const struct field storage_config_consul_fields[] = {
    /* clang-format off */
    {.name = "https", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .has_between = true, .between_max = 65535},
    {.name = "kv_path", .kind = FIELD_STRING},
    {.name = "timeout", .kind = FIELD_NUMBER},
    {.name = "token", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    /* clang-format on */
};

static const char *const storage_config_vault_auth_method_choices[] = {"token", "kubernetes", NULL};

static const struct field storage_config_vault_fields[] = {
    /* clang-format off */
    {.name = "https", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .has_between = true, .between_max = 65535},
    {.name = "kv_path", .kind = FIELD_STRING},
    {.name = "timeout", .kind = FIELD_NUMBER},
    {.name = "token", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    {.name = "tls_verify", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "tls_server_name", .kind = FIELD_STRING},
    {.name = "auth_method", .kind = FIELD_STRING, .fallback = "\"token\"",
     .one_of = storage_config_vault_auth_method_choices},
    {.name = "auth_path", .kind = FIELD_STRING},
    {.name = "auth_role", .kind = FIELD_STRING},
    {.name = "jwt_path", .kind = FIELD_STRING},
    /* clang-format on */
};

static const struct field storage_config_fields[] = {
    /* clang-format off */
    {.name = "shm", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = storage_config_shm_fields,
     .field_count = COUNT(storage_config_shm_fields)},
    {.name = "kong", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED},
    {.name = "redis", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = storage_config_redis_fields,
     .field_count = COUNT(storage_config_redis_fields)},
    {.name = "consul", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = storage_config_consul_fields,
     .field_count = COUNT(storage_config_consul_fields)},
    {.name = "vault", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = storage_config_vault_fields,
     .field_count = COUNT(storage_config_vault_fields)},
    /* clang-format on */
};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "account_email", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE | FIELD_ENCRYPTED,
     .check = has_at_sign, .notes = email_notes},
    {.name = "account_key", .kind = FIELD_RECORD, .fields = account_key_fields,
     .field_count = COUNT(account_key_fields)},
    {.name = "api_uri", .kind = FIELD_STRING, .fallback = "\"https://acme-v02.api.letsencrypt.org/directory\"",
     .check = text_is_url},
    {.name = "tos_accepted", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "eab_kid", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "eab_hmac_key", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "cert_type", .kind = FIELD_STRING, .fallback = "\"rsa\"", .one_of = cert_type_choices},
    {.name = "rsa_key_size", .kind = FIELD_NUMBER, .fallback = "4096", .one_of = rsa_key_size_choices},
    {.name = "renew_threshold_days", .kind = FIELD_NUMBER, .fallback = "14"},
    {.name = "domains", .kind = FIELD_ARRAY, .elements = &domains_element},
    {.name = "allow_any_domain", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "fail_backoff_minutes", .kind = FIELD_NUMBER, .fallback = "5"},
    {.name = "storage", .kind = FIELD_STRING, .fallback = "\"shm\"", .one_of = storage_choices},
    {.name = "storage_config", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = storage_config_fields,
     .field_count = COUNT(storage_config_fields)},
    {.name = "preferred_chain", .kind = FIELD_STRING},
    {.name = "enable_ipv4_common_name", .kind = FIELD_BOOLEAN, .fallback = "true"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const authorities[] = {"https://acme-v02.api.letsencrypt.org",
                                          "https://acme-staging-v02.api.letsencrypt.org", NULL};

static const struct field if_authority = {.name = "config.api_uri", .one_of = authorities};

static const struct field needs_terms = {.name = "config.tos_accepted", .eq_json = "true"};

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL,
     .if_field = &if_authority,
     .then_field = &needs_terms,
     .then_error = "terms of service must be accepted, see https://letsencrypt.org/repository/"}};

const struct plugin_schema acme_plugin_schema = {
    .name = "acme",
    .version = "3.5.0",
    .priority = 1705,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
    .refuses_service = true,
    .refuses_route = true,
    .checks = checks,
    .check_count = COUNT(checks),
    .absence = part_not_here,
};
