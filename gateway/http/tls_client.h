#pragma once

/*
 * tls_client - OpenSSL contexts for connections to upstreams.
 *
 * A context belongs to one name: OpenSSL checks it through the context's verify parameters, for every version
 * (h2o does so under TLS 1.2 only; h2o.md section 8.2).
 *
 * Threads: the loop's.
 */

#include <stdbool.h>

#include <openssl/ssl.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct client_tls;

/*
 * Verifies what `client` says: chain, depth, and the name or address of the peer. authorities: the store of
 * another context with the same ones, shared; NULL: one is made.
 */
bool tls_client_new(const struct client_tls *client, X509_STORE *authorities, SSL_CTX **tls,
                    struct err *err) MUST_CHECK;

/* Whether there is a name that servers may be sent: an address is none (RFC 6066, section 3). */
bool tls_client_has_host_name(const struct client_tls *client);
