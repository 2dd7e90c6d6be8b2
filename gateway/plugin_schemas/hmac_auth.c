/*
 * hmac_auth - the settings of hmac-auth (plugin reference, 4).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/parts.h"

static const char *const algorithms_elements_choices[] = {"hmac-sha1", "hmac-sha256", "hmac-sha384",
                                                          "hmac-sha512", NULL};

static const struct field algorithms_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = algorithms_elements_choices};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "clock_skew", .kind = FIELD_NUMBER, .fallback = "300", .has_gt = true},
    {.name = "anonymous", .kind = FIELD_STRING},
    {.name = "validate_request_body", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "enforce_headers", .kind = FIELD_ARRAY, .fallback = "[]", .elements = &part_text},
    {.name = "algorithms", .kind = FIELD_ARRAY,
     .fallback = "[\"hmac-sha1\",\"hmac-sha256\",\"hmac-sha384\",\"hmac-sha512\"]", .elements = &algorithms_element},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema hmac_auth_plugin_schema = {
    .name = "hmac-auth",
    .version = "3.5.0",
    .priority = 1030,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
};
