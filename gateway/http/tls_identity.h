#pragma once

/*
 * tls_identity - what one side of a connection shows: a certificate with its chain and key, perhaps a second
 * pair with another kind of key.
 *
 * Read once; using it copies nothing but references. Its digest names its content: what is kept under it (a
 * session, a connection, a context) is not mistaken for another version's.
 *
 * Threads: making and counting: one at a time. Using it: any, as long as somebody holds a reference.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct ssl_ctx_st;
struct ssl_st;
struct tls_identity;

enum {
    TLS_IDENTITY_PAIRS = 2,        /* one RSA, one ECDSA */
    TLS_IDENTITY_DIGEST_SIZE = 32, /* SSL_MAX_SID_CTX_LENGTH */
};

struct tls_pems {
    const char *certificate; /* a chain, its own first */
    const char *key;
};

/* Refuses what cannot be used: no PEM, a key of another certificate, keys below 112 bits of security, two
 * keys of one kind, references to vaults. */
bool tls_identity_new(const struct tls_pems *pairs, size_t count, struct tls_identity **identity,
                      struct err *err) MUST_CHECK;
/* From lists of the same length, items separated by commas, each a path, PEM, or base64 of PEM. Reads files.
 */
bool tls_identity_load(const char *certificates, const char *keys, struct tls_identity **identity,
                       struct err *err) MUST_CHECK;
struct tls_identity *tls_identity_ref(struct tls_identity *identity);
void tls_identity_unref(struct tls_identity *identity);

const uint8_t *tls_identity_digest(const struct tls_identity *identity);

/* Instead of whatever the connection or context had. A connection's sessions become this identity's, too. */
bool tls_identity_show(const struct tls_identity *identity, struct ssl_st *ssl) MUST_CHECK;
bool tls_identity_use(const struct tls_identity *identity, struct ssl_ctx_st *tls,
                      struct err *err) MUST_CHECK;
