/*
 * tls_identity - see tls_identity.h.
 */

#include "gateway/http/tls_identity.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "gateway/base/mem.h"
#include "gateway/http/tls_pem.h"

enum {
    SECURITY_BITS = 112 /* OpenSSL's level 2: RSA of 2048 bits, SHA-256 */
};

struct tls_identity {
    uint32_t refs;
    size_t count;
    struct pair {
        X509 *certificate;
        EVP_PKEY *key;
        STACK_OF(X509) * chain; /* without the certificate; may be empty */
    } pairs[TLS_IDENTITY_PAIRS];
    uint8_t digest[TLS_IDENTITY_DIGEST_SIZE];
};

/* OpenSSL would refuse these at the handshake, when it is too late to say so. */
static bool is_strong(X509 *certificate)
{
    int bits = 0;
    bool is_own_root = (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;

    if (EVP_PKEY_get_security_bits(X509_get0_pubkey(certificate)) < SECURITY_BITS)
        return false;
    return is_own_root || X509_get_signature_info(certificate, NULL, NULL, &bits, NULL) != 1 ||
           bits >= SECURITY_BITS;
}

static bool check_strength(const struct pair *pair, struct err *err)
{
    bool strong = is_strong(pair->certificate);

    for (int i = 0; strong && i < sk_X509_num(pair->chain); i++)
        strong = is_strong(sk_X509_value(pair->chain, i));
    return strong || err_set(err, ERR_INVALID,
                             "a key or signature of the certificate is too weak: %d bits of security are "
                             "needed, as of RSA with 2048 bits and of SHA-256",
                             SECURITY_BITS);
}

static bool read_pair(const struct tls_pems *pems, struct pair *pair, struct err *err)
{
    if (!tls_pem_certificate(pems->certificate, &pair->certificate, &pair->chain, err) ||
        !tls_pem_key(pems->key, &pair->key, err))
        return false;
    if (X509_check_private_key(pair->certificate, pair->key) != 1)
        return tls_failed(err, "use the key with its certificate", NULL);
    return check_strength(pair, err);
}

static bool add_digest(EVP_MD_CTX *digest, X509 *certificate)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned count;

    return X509_digest(certificate, EVP_sha256(), bytes, &count) == 1 &&
           EVP_DigestUpdate(digest, bytes, count) == 1;
}

/* Of the certificates: a key belongs to one of them only. */
static bool make_digest(struct tls_identity *identity, struct err *err)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool ok = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; ok && i < identity->count; i++) {
        const struct pair *pair = &identity->pairs[i];

        ok = add_digest(digest, pair->certificate);
        for (int j = 0; ok && j < sk_X509_num(pair->chain); j++)
            ok = add_digest(digest, sk_X509_value(pair->chain, j));
    }
    ok = (ok && EVP_DigestFinal_ex(digest, identity->digest, NULL) == 1) ||
         tls_failed(err, "make a digest", NULL);
    EVP_MD_CTX_free(digest);
    return ok;
}

static bool finish(struct tls_identity *made, struct tls_identity **identity, struct err *err)
{
    const struct pair *pairs = made->pairs;

    if (made->count == TLS_IDENTITY_PAIRS &&
        EVP_PKEY_get_base_id(pairs[0].key) == EVP_PKEY_get_base_id(pairs[1].key))
        return err_set(err, ERR_INVALID, "both certificates have the same kind of key");
    if (!make_digest(made, err))
        return false;
    *identity = made;
    return true;
}

bool tls_identity_new(const struct tls_pems *pairs, size_t count, struct tls_identity **identity,
                      struct err *err)
{
    struct tls_identity *made = mem_zalloc(sizeof(*made));
    bool ok = (count > 0 && count <= TLS_IDENTITY_PAIRS) ||
              err_set(err, ERR_INVALID, "one or two certificates are possible, with different kinds of key");

    made->refs = 1;
    while (ok && made->count < count) {
        made->count++;
        ok = read_pair(&pairs[made->count - 1], &made->pairs[made->count - 1], err);
    }
    ok = ok && finish(made, identity, err);
    if (!ok)
        tls_identity_unref(made);
    return ok;
}

bool tls_identity_load(const char *certificates, const char *keys, struct tls_identity **identity,
                       struct err *err)
{
    char *texts[TLS_IDENTITY_PAIRS + 1][2] = {{NULL}};
    struct tls_pems pems[TLS_IDENTITY_PAIRS + 1];
    const char *lists[2] = {certificates, keys};
    size_t counts[2] = {0, 0};
    bool ok = true;

    for (size_t of = 0; of < COUNT(lists); of++) {
        char *item;

        while (ok && counts[of] <= TLS_IDENTITY_PAIRS && (item = tls_pem_next_item(&lists[of])) != NULL) {
            ok = tls_pem_load(item, &texts[counts[of]++][of], err);
            tls_pem_forget(item);
        }
    }
    if (ok && counts[0] != counts[1])
        ok = err_set(err, ERR_INVALID, "there are %zu certificates and %zu keys", counts[0], counts[1]);
    for (size_t i = 0; ok && i < counts[0]; i++)
        pems[i] = (struct tls_pems){texts[i][0], texts[i][1]};
    ok = ok && tls_identity_new(pems, counts[0], identity, err);
    for (size_t i = 0; i < COUNT(texts); i++) {
        tls_pem_forget(texts[i][0]);
        tls_pem_forget(texts[i][1]);
    }
    return ok;
}

struct tls_identity *tls_identity_ref(struct tls_identity *identity)
{
    identity->refs++;
    return identity;
}

void tls_identity_unref(struct tls_identity *identity)
{
    if (identity == NULL || --identity->refs > 0)
        return;
    for (size_t i = 0; i < identity->count; i++) {
        X509_free(identity->pairs[i].certificate);
        EVP_PKEY_free(identity->pairs[i].key);
        sk_X509_pop_free(identity->pairs[i].chain, X509_free);
    }
    free(identity);
}

const uint8_t *tls_identity_digest(const struct tls_identity *identity)
{
    return identity->digest;
}

bool tls_identity_show(const struct tls_identity *identity, SSL *ssl)
{
    bool ok = SSL_set_session_id_context(ssl, identity->digest, sizeof(identity->digest)) == 1;

    SSL_certs_clear(ssl);
    for (size_t i = 0; ok && i < identity->count; i++) {
        const struct pair *pair = &identity->pairs[i];

        ok = SSL_use_cert_and_key(ssl, pair->certificate, pair->key, pair->chain, /* override= */ 1) == 1;
    }
    return ok;
}

bool tls_identity_use(const struct tls_identity *identity, SSL_CTX *tls, struct err *err)
{
    for (size_t i = 0; i < identity->count; i++) {
        const struct pair *pair = &identity->pairs[i];

        if (SSL_CTX_use_cert_and_key(tls, pair->certificate, pair->key, pair->chain, /* override= */ 1) != 1)
            return tls_failed(err, "use a certificate", NULL);
    }
    return true;
}
