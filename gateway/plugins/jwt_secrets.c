/*
 * jwt_secrets - see jwt_secrets.h. The credential says which algorithm its tokens have, and RS256 and its
 * like need a public key that can be read.
 *
 * A key is read once, when its row comes into the cache: that costs ten times what a signature does.
 */

#include "gateway/plugins/jwt_secrets.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
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

/* NULL: it is none. */
static EVP_PKEY *read_pem(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static bool is_public_key(const cJSON *value, char message[256])
{
    EVP_PKEY *key = read_pem(value->valuestring);
    bool good = key != NULL;

    EVP_PKEY_free(key);
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

enum {
    KEY_BYTES = 2048 /* what OpenSSL keeps of a public key, about */
};

static bool pack(struct packer *packer, const cJSON *document, struct jwt_secret *secret, struct err *err)
{
    if (!document_id(document, &secret->id) || !document_reference(document, "consumer", &secret->consumer) ||
        document_text(document, "key") == NULL)
        return err_set(err, ERR_INVALID, "a credential without id, consumer or key");
    const char *algorithm = document_text(document, "algorithm");
    secret->key = pack_text(packer, document_text(document, "key"));
    secret->secret = pack_text(packer, document_text(document, "secret"));
    secret->rsa_public_key = pack_text(packer, document_text(document, "rsa_public_key"));
    secret->algorithm = pack_text(packer, algorithm != NULL ? algorithm : "HS256");
    secret->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    secret->created_at = document_int(document, "created_at", 0);
    return true;
}

PACK_DECODE_AS(decode_block, jwt_secret, pack)

/* Where secrets are base64, other gateways read this as base64 too; a PEM text cannot be mistaken for it. */
static EVP_PKEY *read_base64(const char *text)
{
    size_t len = strlen(text);
    unsigned char *bytes = mem_zalloc(len / 4 * 3 + 4);
    int decoded =
        len % 4 == 0 && len < INT_MAX ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) : -1;
    EVP_PKEY *key = decoded > 0 ? read_pem((const char *)bytes) : NULL;

    free(bytes);
    return key;
}

static bool decode(const cJSON *document, void **object, size_t *bytes, struct err *err)
{
    if (!decode_block(document, object, bytes, err))
        return false;
    struct jwt_secret *secret = *object;
    if (secret->rsa_public_key != NULL)
        secret->public_key = read_pem(secret->rsa_public_key);
    if (secret->rsa_public_key != NULL && secret->public_key == NULL)
        secret->public_key = read_base64(secret->rsa_public_key);
    *bytes += secret->public_key != NULL ? KEY_BYTES : 0;
    return true;
}

static void release(void *object)
{
    struct jwt_secret *secret = object;

    EVP_PKEY_free(secret->public_key);
    free(secret);
}

static cJSON *show(const void *object)
{
    const struct jwt_secret *secret = object;
    cJSON *shown = cJSON_CreateObject();

    cJSON_AddItemToObject(shown, "id", show_id(&secret->id));
    (void)cJSON_AddNumberToObject(shown, "created_at", (double)secret->created_at);
    cJSON_AddItemToObject(shown, "consumer", show_reference(&secret->consumer));
    cJSON_AddItemToObject(shown, "key", show_text(secret->key));
    cJSON_AddItemToObject(shown, "secret", show_text(secret->secret));
    cJSON_AddItemToObject(shown, "rsa_public_key", show_text(secret->rsa_public_key));
    cJSON_AddItemToObject(shown, "algorithm", show_text(secret->algorithm));
    cJSON_AddItemToObject(shown, "tags", show_texts(&secret->tags));
    return show_without_nulls(shown);
}

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
    .decode = decode,
    .release = release,
    .show = show,
};
