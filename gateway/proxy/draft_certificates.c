/*
 * draft_certificates - certificates, the names they are shown under, and authorities. A name leads to a
 * certificate's id and no further: a change of a certificate looks at none of its names.
 */

#include "gateway/proxy/draft_inside.h"

#include "gateway/http/tls_authority.h"
#include "gateway/http/tls_identity.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"
#include "gateway/proxy/certificates.h"

bool draft_set_certificate(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    (void)err;
    pmap_set(&draft->next->certificates, &snapshot_identities, id->bytes, value);
    return true;
}

bool draft_put_certificate(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    const struct certificate *certificate = object;
    const struct tls_pems pairs[] = {{certificate->cert, certificate->key},
                                     {certificate->cert_alt, certificate->key_alt}};
    bool has_second = certificate->cert_alt != NULL && certificate->key_alt != NULL;
    struct tls_identity *identity = NULL;
    bool ok = tls_identity_new(pairs, has_second ? 2 : 1, &identity, err);

    certificate_schema.release(object);
    if (ok)
        (void)draft_set_certificate(draft, id, identity, err);
    tls_identity_unref(identity);
    return ok;
}

/* A name that another row has taken over in the same batch stays. */
static void forget_name(struct draft *draft, const struct shared_row *row)
{
    struct digest key;

    if (row == NULL)
        return;
    certificates_name_key(str_of(shared_sni(row)->name), &key);
    if (pmap_find(draft->next->server_names, key.bytes) == row)
        pmap_set(&draft->next->server_names, &snapshot_rows, key.bytes, NULL);
}

bool draft_set_sni(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    struct digest key;

    (void)err;
    forget_name(draft, pmap_find(draft->next->snis, id->bytes));
    if (value != NULL) {
        certificates_name_key(str_of(shared_sni(value)->name), &key);
        pmap_set(&draft->next->server_names, &snapshot_rows, key.bytes, value);
    }
    pmap_set(&draft->next->snis, &snapshot_rows, id->bytes, value);
    return true;
}

bool draft_put_sni(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct shared_row *row = shared_row_new(&sni_schema, object);
    bool ok = draft_set_sni(draft, id, row, err);

    snapshot_rows.unref(row);
    return ok;
}

bool draft_set_authority(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    (void)err;
    pmap_set(&draft->next->authorities, &snapshot_authorities, id->bytes, value);
    return true;
}

bool draft_put_authority(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    const struct ca_certificate *row = object;
    struct tls_authority *authority = NULL;
    bool ok = tls_authority_new(row->cert, &authority, err);

    ca_certificate_schema.release(object);
    if (ok)
        (void)draft_set_authority(draft, id, authority, err);
    tls_authority_unref(authority);
    return ok;
}
