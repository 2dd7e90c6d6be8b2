/*
 * jwt_secrets - see jwt_secrets.h. The credential says which algorithm its tokens have, and RS256 and its
 * like need a public key that can be read.
 */

#include "gateway/plugins/jwt_secrets.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "gateway/model/texts.h"

static const char *const algorithms[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                         "RS512", "ES256", "ES384", NULL};

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_UNIQUE | FIELD_AUTO},
    {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_AUTO},
    {.name = "rsa_public_key", .kind = FIELD_STRING},
    {.name = "algorithm", .kind = FIELD_STRING, .fallback = "\"HS256\"", .one_of = algorithms},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static bool is_public_key(const cJSON *value, char message[256])
{
    BIO *bio = BIO_new_mem_buf(value->valuestring, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    bool good = key != NULL;

    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    if (!good)
        (void)snprintf(message, 256, "invalid key");
    return good;
}

static const char *const rsa[] = {"RS256", "RS384", "RS512", NULL};
static const struct field if_rsa = {.name = "algorithm", .one_of = rsa};
static const struct field needs_key = {
    .name = "rsa_public_key", .flags = FIELD_REQUIRED, .check = is_public_key};
static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &if_rsa, .then_field = &needs_key}};

const struct schema jwt_secrets_schema = {
    .name = "jwt_secrets",
    .path = "jwts",
    .nested_path = "jwt",
    .parameter = "jwt_secrets",
    .endpoint_key = "key",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .lookups = {{"key"}},
    .cache_keys = schema_lookup_keys,
};
