/*
 * hmac_auth_credentials - see hmac_auth_credentials.h. The secret is kept as it is: it has to be known to
 * check a signature.
 */

#include "gateway/plugins/hmac_auth_credentials.h"

#include "gateway/model/texts.h"

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "username", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE},
    {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_AUTO},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

const struct schema hmacauth_credentials_schema = {
    .name = "hmacauth_credentials",
    .path = "hmac-auths",
    .nested_path = "hmac-auth",
    .parameter = "hmacauth_credentials",
    .endpoint_key = "username",
    .fields = fields,
    .field_count = COUNT(fields),
    .has_tags = true,
    .lookups = {{"username"}},
    .cache_keys = schema_lookup_keys,
};
