/*
 * certificate - what a listener or a connection to an upstream shows, with its key, and perhaps a second pair
 * with another kind of key; and the names it is shown under, which are rows of their own.
 *
 * Clients reach a certificate by each of its names as well.
 */

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/pack.h"
#include "gateway/model/secret.h"
#include "gateway/model/texts.h"
#include "gateway/model/x509.h"

/* ---- certificates ---- */

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    {.name = "cert", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE, .check = text_is_certificate,
     .description = "A certificate or a chain of them, in PEM format."},
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE | FIELD_ENCRYPTED,
     .check = text_is_private_key, .description = "Its private key, in PEM format."},
    {.name = "cert_alt", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE, .check = text_is_certificate,
     .description = "A second certificate, with another kind of key."},
    {.name = "key_alt", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED,
     .check = text_is_private_key, .description = "The private key of the second one."},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

/* A text that can be read here; references to secrets cannot. */
static const char *readable(const cJSON *document, const char *name)
{
    const char *text = document_text(document, name);

    return text != NULL && !secret_is_reference(text) ? text : NULL;
}

static void check_pair(const cJSON *document, struct violations *violations)
{
    const char *cert = readable(document, "cert");
    const char *key = readable(document, "key");

    if (cert != NULL && key != NULL && !x509_key_fits(cert, key))
        violations_add(violations, NULL, "certificate does not match key");
}

static void check_alternative(const cJSON *document, struct violations *violations)
{
    const char *cert = readable(document, "cert_alt");
    const char *key = readable(document, "key_alt");

    if (cert != NULL && key != NULL && !x509_key_fits(cert, key))
        violations_add(violations, NULL, "alternative certificate does not match key");
}

static void check_kinds(const cJSON *document, struct violations *violations)
{
    const char *cert = readable(document, "cert");
    const char *alternative = readable(document, "cert_alt");

    if (cert != NULL && alternative != NULL && x509_has_same_kind_of_key(cert, alternative))
        violations_add(violations, NULL,
                       "certificate and alternative certificate need to have different type (e.g. RSA and "
                       "ECDSA), the provided certificates were both of the same type");
}

static const char *const pair[] = {"cert", "key", NULL};
static const char *const alternative_pair[] = {"cert_alt", "key_alt", NULL};
static const char *const both[] = {"cert", "cert_alt", NULL};
static const struct check checks[] = {
    {.kind = CHECK_MUTUALLY_REQUIRED, .names = alternative_pair},
    {.kind = CHECK_CUSTOM, .names = pair, .run = check_pair},
    {.kind = CHECK_CUSTOM, .names = alternative_pair, .run = check_alternative},
    {.kind = CHECK_CUSTOM, .names = both, .run = check_kinds},
};

/* Itself, or what it refers to. */
static bool pack_secret(struct packer *packer, const cJSON *document, const char *name, char **text,
                        struct err *err)
{
    const char *stored = document_text(document, name);
    char *resolved;

    if (!secret_is_reference(stored)) {
        *text = pack_text(packer, stored);
        return true;
    }
    if (!secret_resolve(stored, &resolved, err))
        return false;
    *text = pack_text(packer, resolved);
    free(resolved);
    return true;
}

static bool pack(struct packer *packer, const cJSON *document, struct certificate *certificate,
                 struct err *err)
{
    if (!document_id(document, &certificate->id) || document_text(document, "cert") == NULL ||
        document_text(document, "key") == NULL)
        return err_set(err, ERR_INVALID, "a certificate without id, cert or key");
    return pack_secret(packer, document, "cert", &certificate->cert, err) &&
           pack_secret(packer, document, "key", &certificate->key, err) &&
           pack_secret(packer, document, "cert_alt", &certificate->cert_alt, err) &&
           pack_secret(packer, document, "key_alt", &certificate->key_alt, err);
}

PACK_DECODE(certificate, pack)

const struct schema certificate_schema = {
    .name = "certificates",
    .path = "certificates",
    .parameter = "certificates",
    .named_by = &sni_schema,
    .not_named = "SNI not found",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .is_routing = true,
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
};

/* ---- snis ---- */

static const struct field_note name_notes[] = {{"unique_across_ws", "true"}, {NULL, NULL}};

static const struct field sni_fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE, .check = text_is_wildcard_sni,
     .notes = name_notes, .description = "A host name; one asterisk may stand for its first or last label."},
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    FIELD_ROW_TAGS,
    {.name = "certificate", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE | FIELD_ONE_WAY,
     .reference = "certificates"},
    /* clang-format on */
};

static bool pack_sni(struct packer *packer, const cJSON *document, struct sni *sni, struct err *err)
{
    if (!document_id(document, &sni->id) || document_text(document, "name") == NULL ||
        !document_reference(document, "certificate", &sni->certificate))
        return err_set(err, ERR_INVALID, "an SNI without id, name or certificate");
    sni->name = pack_lower(packer, document_text(document, "name"));
    return true;
}

PACK_DECODE_AS(decode_sni, sni, pack_sni)

const struct schema sni_schema = {
    .name = "snis",
    .path = "snis",
    .parameter = "snis",
    .endpoint_key = "name",
    .fields = sni_fields,
    .field_count = COUNT(sni_fields),
    .has_tags = true,
    .is_routing = true,
    .cache_keys = schema_lookup_keys,
    .decode = decode_sni,
    .release = free,
};
