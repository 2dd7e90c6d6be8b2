/*
 * ca_certificate - an authority whose certificates are believed. Known by the digest of its certificate, so
 * that none is stored twice.
 */

#include <stdio.h>
#include <stdlib.h>

#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/pack.h"
#include "gateway/model/texts.h"
#include "gateway/model/x509.h"

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    {.name = "cert", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_certificate,
     .description = "The certificate of the authority, in PEM format."},
    {.name = "cert_digest", .kind = FIELD_STRING, .flags = FIELD_UNIQUE,
     .description = "SHA-256 of the certificate."},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

/* Nothing here reads a clock: `updated_at` is now. */
static void check_authority(const cJSON *document, struct violations *violations)
{
    const char *cert = document_text(document, "cert");

    if (cert == NULL)
        return;
    if (x509_certificate_count(cert) > 1)
        violations_add(violations, NULL, "please submit only one certificate at a time");
    else if (x509_has_expired(cert, document_int(document, "updated_at", 0)))
        violations_add(violations, NULL, "certificate expired, \"Not After\" time is in the past");
    else if (!x509_is_authority(cert))
        violations_add(
            violations, NULL,
            "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint");
}

static const char *const read[] = {"cert", NULL};
static const struct check checks[] = {{.kind = CHECK_CUSTOM, .names = read, .run = check_authority}};

/* Always of the certificate that is stored: a digest of another one would let it in twice. */
static void derive(cJSON *document, const cJSON *given)
{
    const char *cert = document_text(document, "cert");
    char hex[X509_DIGEST_SIZE];

    (void)given;
    if (cert != NULL && x509_digest(cert, hex))
        (void)cJSON_ReplaceItemInObjectCaseSensitive(document, "cert_digest", cJSON_CreateString(hex));
}

static void cache_keys(const struct schema *schema, const cJSON *document,
                       void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    const char *const parts[5] = {document_text(document, "id")};
    struct buf buf = {0};

    cache_key_format(&buf, schema->name, parts, /* with_workspace= */ false);
    add(arg, -1, buf_str(&buf));
    buf_fini(&buf);
}

static bool pack(struct packer *packer, const cJSON *document, struct ca_certificate *authority,
                 struct err *err)
{
    if (!document_id(document, &authority->id) || document_text(document, "cert") == NULL)
        return err_set(err, ERR_INVALID, "a CA certificate without id or cert");
    authority->cert = pack_text(packer, document_text(document, "cert"));
    return true;
}

PACK_DECODE(ca_certificate, pack)

const struct schema ca_certificate_schema = {
    .name = "ca_certificates",
    .path = "ca_certificates",
    .parameter = "ca_certificates",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .is_routing = true,
    .derive = derive,
    .cache_keys = cache_keys,
    .decode = decode,
    .release = free,
};
