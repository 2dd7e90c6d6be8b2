#pragma once

/*
 * tls - OpenSSL contexts for both sides, with settings of this decade.
 *
 * Threads: server contexts are made on main and shared; client contexts belong to their loop.
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct client_tls;

enum {
    TLS_DIGEST_SIZE = 32
};

/* The files of a server, PEM. */
struct tls_server {
    const char *certificate_file; /* a chain; NULL: a self-signed pair for "localhost" is made */
    const char *key_file;
    const char *client_ca_file; /* clients are asked for a certificate that one of these has signed, which
                                   need not be a root; NULL: they are not asked */
};

/*
 * TLS 1.2 and later, offers http/1.1. A client that is asked may come with a wrong certificate or none: what
 * it gets then is the handler's business, by exchange_peer_subject().
 */
bool tls_server_new(const struct tls_server *server, SSL_CTX **tls, struct err *err) MUST_CHECK;

/* Of what the files hold now: as long as it stays the same no new context is needed. */
bool tls_server_digest(const struct tls_server *server, uint8_t digest[TLS_DIGEST_SIZE],
                       struct err *err) MUST_CHECK;

/*
 * Verifies what `client` says: chain, depth, and the name or address of the peer. authorities: those of its
 * CA file, if they have been read already (a megabyte, and tens of milliseconds); shared. NULL: they are
 * read.
 */
bool tls_client_new(const struct client_tls *client, X509_STORE *authorities, SSL_CTX **tls,
                    struct err *err) MUST_CHECK;
