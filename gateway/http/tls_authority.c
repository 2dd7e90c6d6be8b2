/*
 * tls_authority - see tls_authority.h.
 */

#include "gateway/http/tls_authority.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/http/tls_pem.h"

struct tls_authority {
    uint32_t refs;
    X509 *certificate;
    uint8_t digest[32];
};

bool tls_authority_new(const char *pem, struct tls_authority **authority, struct err *err)
{
    struct tls_authority *made = mem_zalloc(sizeof(*made));
    made->refs = 1;
    bool ok = tls_pem_certificate(pem, &made->certificate, NULL, err) &&
              (X509_digest(made->certificate, EVP_sha256(), made->digest, NULL) == 1 ||
               tls_failed(err, "make a digest", NULL));
    if (ok)
        *authority = made;
    else
        tls_authority_unref(made);
    return ok;
}

struct tls_authority *tls_authority_ref(struct tls_authority *authority)
{
    authority->refs++;
    return authority;
}

void tls_authority_unref(struct tls_authority *authority)
{
    if (authority == NULL || --authority->refs > 0)
        return;
    X509_free(authority->certificate);
    free(authority);
}

/* The digests are as good as random and nobody but the administrator chooses them: no salt. */
void tls_authorities_digest(const struct tls_authority *const *set, size_t count, struct digest *digest)
{
    static const struct digest_salt salt = {{0}};
    struct {
        struct digest before;
        uint8_t next[sizeof(set[0]->digest)];
    } step = {.before = {{0}}};

    for (size_t i = 0; i < count; i++) {
        memcpy(step.next, set[i]->digest, sizeof(step.next));
        digest_make(&salt, (struct str){(const char *)&step, sizeof(step)}, &step.before);
    }
    *digest = step.before;
}

bool tls_authorities_add(const struct tls_authority *const *set, size_t count, X509_STORE *store,
                         struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (X509_STORE_add_cert(store, set[i]->certificate) != 1)
            return tls_failed(err, "trust an authority", NULL);
    return true;
}

static bool add_text(X509_STORE *store, const char *item, const char *text, struct err *err)
{
    BIO *bytes = BIO_new_mem_buf(text, -1);
    size_t count = 0;
    X509 *certificate;

    while (bytes != NULL && (certificate = PEM_read_bio_X509_AUX(bytes, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, certificate) == 1 ? 1 : 0;
        X509_free(certificate);
    }
    ERR_clear_error(); /* of the end of the text */
    BIO_free(bytes);
    return count > 0 || err_set(err, ERR_INVALID, "there is no certificate in '%.100s'", item);
}

static bool add_item(X509_STORE *store, const char *item, struct err *err)
{
    char *text;

    if (strcmp(item, "system") == 0)
        return X509_STORE_set_default_paths(store) == 1 ||
               tls_failed(err, "use the system's authorities", NULL);
    if (!tls_pem_load(item, &text, err))
        return false;
    bool ok = add_text(store, item, text, err);
    tls_pem_forget(text);
    return ok;
}

bool tls_authorities_load(const char *list, X509_STORE **store, struct err *err)
{
    X509_STORE *made = X509_STORE_new();
    bool ok = made != NULL || tls_failed(err, "make a set of authorities", NULL);
    char *item;

    while (ok && (item = tls_pem_next_item(&list)) != NULL) {
        ok = add_item(made, item, err);
        free(item);
    }
    if (ok)
        *store = made;
    else
        X509_STORE_free(made);
    return ok;
}
