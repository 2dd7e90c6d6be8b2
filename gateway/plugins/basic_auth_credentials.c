/*
 * basic_auth_credentials - see basic_auth_credentials.h.
 *
 * What is stored of a password is the hash that other gateways on the same data know. Every write that brings
 * a password hashes it: a hash that is sent is a password like any other.
 */

#include "gateway/plugins/basic_auth_credentials.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "username", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE},
    {.name = "password", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_ENCRYPTED},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

/* The consumer's id is part of the hash. */
static const char *const together[] = {"password", "consumer.id", NULL};
static const struct check change_checks[] = {{.kind = CHECK_MUTUALLY_REQUIRED, .names = together}};

/* Lower-case hex of the SHA-1 of the password followed by the consumer's id. */
static void hash_password(cJSON *document, const cJSON *given)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned size = 0;

    if (document_text(given, "password") == NULL)
        return;
    const char *consumer = document_text(cJSON_GetObjectItemCaseSensitive(document, "consumer"), "id");
    char *text = mem_printf("%s%s", document_text(document, "password"), consumer);
    bool made = EVP_Digest(text, strlen(text), digest, &size, EVP_sha1(), NULL) == 1;
    assert(made); /* fails without memory only */
    (void)made;
    for (unsigned i = 0; i < size; i++)
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    free(text);
    (void)cJSON_ReplaceItemInObjectCaseSensitive(document, "password", cJSON_CreateString(hex));
}

const struct schema basicauth_credentials_schema = {
    .name = "basicauth_credentials",
    .path = "basic-auths",
    .nested_path = "basic-auth",
    .parameter = "basicauth_credentials",
    .endpoint_key = "username",
    .fields = fields,
    .field_count = COUNT(fields),
    .change_checks = change_checks,
    .change_check_count = COUNT(change_checks),
    .has_tags = true,
    .lookups = {{"username"}},
    .derive = hash_password,
    .cache_keys = schema_lookup_keys,
};
