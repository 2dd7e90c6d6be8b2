/*
 * key - cryptographic keys as JSON Web Key or PEM, and the sets they may belong to.
 *
 * A key is known by its `kid` within its set; keys of no set have a space of their own.
 */

#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/jwk.h"
#include "gateway/model/secret.h"
#include "gateway/model/texts.h"
#include "gateway/model/x509.h"

/* ---- key_sets ---- */

static const struct field set_fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_UNIQUE, .description = "The unique name of the set."},
    FIELD_ROW_TAGS,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    /* clang-format on */
};

const struct schema key_set_schema = {
    .name = "key_sets",
    .path = "key-sets",
    .parameter = "key_sets",
    .endpoint_key = "name",
    .fields = set_fields,
    .field_count = COUNT(set_fields),
    .has_tags = true,
    .cache_keys = schema_lookup_keys,
};

/* ---- keys ---- */

static bool check_pem(const cJSON *pem, char message[256])
{
    const char *public = document_text(pem, "public_key");
    const char *private = document_text(pem, "private_key");
    char reason[X509_REASON_SIZE];
    const char *wrong = NULL;

    if (public == NULL || (!secret_is_reference(public) && !x509_public_key_is_valid(public)))
        wrong = "could not load public key";
    else if (private != NULL && !secret_is_reference(private) && !x509_private_key_is_valid(private, reason))
        wrong = "could not load private key";
    if (wrong != NULL)
        (void)snprintf(message, 256, "%s", wrong);
    return wrong == NULL;
}

static const struct field pem_fields[] = {
    /* clang-format off */
    {.name = "private_key", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "public_key", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    /* clang-format on */
};

static const struct field key_fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "set", .kind = FIELD_FOREIGN, .flags = FIELD_CASCADE, .reference = "key_sets"},
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_UNIQUE, .description = "The unique name of the key."},
    {.name = "kid", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .description = "What tokens call the key."},
    {.name = "jwk", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED,
     .description = "A JSON Web Key as text."},
    {.name = "pem", .kind = FIELD_RECORD, .fields = pem_fields, .field_count = COUNT(pem_fields), .check = check_pem,
     .description = "A pair of keys in PEM format."},
    FIELD_ROW_TAGS,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    /* clang-format on */
};

static void check_jwk(const cJSON *key, struct violations *violations)
{
    const char *text = document_text(key, "jwk");
    const char *kid = document_text(key, "kid");

    if (text == NULL || secret_is_reference(text))
        return;
    cJSON *jwk = cJSON_ParseWithOpts(text, NULL, true);
    const char *own_kid = document_text(jwk, "kid");
    if (!cJSON_IsObject(jwk))
        violations_add(violations, NULL, "could not json decode jwk string");
    else if (own_kid == NULL || kid == NULL || strcmp(own_kid, kid) != 0)
        violations_add(violations, NULL, "kid in jwk.kid must be equal to keys.kid");
    else if (!jwk_is_key(jwk))
        violations_add(violations, NULL, "could not load JWK, likely not a valid key");
    cJSON_Delete(jwk);
}

static const char *const forms[] = {"pem", "jwk", NULL};
static const char *const read[] = {"jwk", "kid", NULL};
static const struct check key_checks[] = {
    {.kind = CHECK_MUTUALLY_EXCLUSIVE, .names = forms},
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = forms},
    {.kind = CHECK_CUSTOM, .names = read, .run = check_jwk},
};

static const char *const unique_together[] = {"kid", "set", NULL};

/* "keys:<kid>:<set>", three parts only. */
static void key_cache_keys(const struct schema *schema, const cJSON *document,
                           void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    const char *kid = document_text(document, "kid");
    const char *set = document_text(cJSON_GetObjectItemCaseSensitive(document, "set"), "id");
    struct buf buf = {0};

    buf_printf(&buf, "%s:%s:%s", schema->name, kid != NULL ? kid : "", set != NULL ? set : "");
    add(arg, -1, buf_str(&buf));
    buf_fini(&buf);
}

const struct schema key_schema = {
    .name = "keys",
    .path = "keys",
    .parameter = "keys",
    .endpoint_key = "name",
    .fields = key_fields,
    .field_count = COUNT(key_fields),
    .checks = key_checks,
    .check_count = COUNT(key_checks),
    .unique_together = unique_together,
    .has_tags = true,
    .cache_keys = key_cache_keys,
};
