/*
 * tls_self_signed - see tls_self_signed.h.
 */

#include "gateway/http/tls_self_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/http/tls_identity.h"
#include "gateway/http/tls_pem.h"

enum {
    RSA_BITS = 2048,
    DAYS_VALID = 3650
};

static const struct kind {
    const char *certificate_file, *key_file;
    bool is_rsa;
} kinds[] = {
    {"default.crt", "default.key", true},
    {"default-ecdsa.crt", "default-ecdsa.key", false}, /* P-256: every client knows it */
};

struct pem_pair {
    char *certificate, *key;
};

static bool sign(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    uint64_t serial = random_u64() >> 1;

    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), DAYS_VALID, 0, NULL) != NULL &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static char *text_of(BIO *bytes)
{
    char *at = NULL;
    long length = BIO_get_mem_data(bytes, &at);

    return length > 0 ? mem_strndup(at, (size_t)length) : NULL;
}

static bool make(const struct kind *kind, struct pem_pair *pair, struct err *err)
{
    EVP_PKEY *key = kind->is_rsa ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *texts[2] = {BIO_new(BIO_s_mem()), BIO_new(BIO_s_secmem())};
    bool ok = key != NULL && certificate != NULL && texts[0] != NULL && texts[1] != NULL &&
              sign(certificate, key) && PEM_write_bio_X509(texts[0], certificate) == 1 &&
              PEM_write_bio_PrivateKey(texts[1], key, NULL, NULL, 0, NULL, NULL) == 1;

    if (ok)
        *pair = (struct pem_pair){text_of(texts[0]), text_of(texts[1])};
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(texts[0]);
    BIO_free(texts[1]);
    return ok || tls_failed(err, "make a self-signed certificate", NULL);
}

static bool write_file(const char *path, const char *text, struct err *err)
{
    char *draft = mem_printf("%s.new", path);
    size_t length = strlen(text);

    (void)unlink(draft); /* of a process that was killed meanwhile */
    int file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = file >= 0 && write(file, text, length) == (ssize_t)length;
    if (file >= 0 && close(file) != 0)
        ok = false;
    ok = (ok && rename(draft, path) == 0) ||
         err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    free(draft);
    return ok;
}

/* The key first: a certificate without one is never there. */
static bool keep(const struct kind *kind, const char *directory, struct pem_pair *pair, struct err *err)
{
    char *paths[2] = {mem_printf("%s/%s", directory, kind->key_file),
                      mem_printf("%s/%s", directory, kind->certificate_file)};
    bool ok;

    if (access(paths[1], F_OK) == 0)
        ok = tls_pem_load(paths[1], &pair->certificate, err) && tls_pem_load(paths[0], &pair->key, err);
    else
        ok = make(kind, pair, err) && write_file(paths[0], pair->key, err) &&
             write_file(paths[1], pair->certificate, err);
    free(paths[0]);
    free(paths[1]);
    return ok;
}

static void forget(struct pem_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tls_pem_forget(pairs[i].certificate);
        tls_pem_forget(pairs[i].key);
    }
}

bool tls_self_signed_new(struct tls_identity **identity, struct err *err)
{
    struct pem_pair pair = {NULL, NULL};
    bool ok = make(&kinds[1], &pair, err) &&
              tls_identity_new(&(struct tls_pems){pair.certificate, pair.key}, 1, identity, err);

    forget(&pair, 1);
    return ok;
}

bool tls_self_signed_keep(const char *directory, struct tls_identity **identity, struct err *err)
{
    struct pem_pair pairs[COUNT(kinds)] = {{NULL, NULL}};
    struct tls_pems pems[COUNT(kinds)];
    bool ok = true;

    for (size_t i = 0; ok && i < COUNT(kinds); i++) {
        ok = keep(&kinds[i], directory, &pairs[i], err);
        pems[i] = (struct tls_pems){pairs[i].certificate, pairs[i].key};
    }
    ok = ok && tls_identity_new(pems, COUNT(kinds), identity, err);
    forget(pairs, COUNT(kinds));
    return ok || err_wrap(err, "%s", directory);
}
