/*
 * jwt - the settings of jwt (plugin reference, 3).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const char *const claims_to_verify_elements_choices[] = {"exp", "nbf", NULL};

static const struct field claims_to_verify_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = claims_to_verify_elements_choices};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "uri_param_names", .kind = FIELD_SET, .fallback = "[\"jwt\"]", .elements = &part_text},
    {.name = "cookie_names", .kind = FIELD_SET, .fallback = "[]", .elements = &part_text},
    {.name = "key_claim_name", .kind = FIELD_STRING, .fallback = "\"iss\""},
    {.name = "secret_is_base64", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "claims_to_verify", .kind = FIELD_SET, .elements = &claims_to_verify_element},
    {.name = "anonymous", .kind = FIELD_STRING},
    {.name = "run_on_preflight", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "maximum_expiration", .kind = FIELD_NUMBER, .fallback = "0", .has_between = true,
     .between_max = 31536000},
    {.name = "header_names", .kind = FIELD_SET, .fallback = "[\"authorization\"]", .elements = &part_text},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const struct field if_limited = {.name = "config.maximum_expiration", .has_gt = true};

static const struct field needs_exp = {.name = "config.claims_to_verify", .contains = "exp"};

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &if_limited, .then_field = &needs_exp}};

const struct plugin_schema jwt_plugin_schema = {
    .name = "jwt",
    .version = "3.5.0",
    .priority = 1450,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
    .checks = checks,
    .check_count = COUNT(checks),
};
