#pragma once

/*
 * tls - OpenSSL contexts for servers: what they show to whom, and whose certificate a client has shown.
 *
 * Threads: contexts are made on main and shared by loops.
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct tls_policy;

enum {
    TLS_DIGEST_SIZE = 32,
    TLS_NAME_MAX = 253 /* bytes of a server name: RFC 1035 */
};

struct tls_server {
    const char *certificates; /* as tls_identity_load() reads them; NULL: a self-signed pair is made */
    const char *keys;
    const char *client_ca_file; /* clients are asked for a certificate that one of these has signed, which
                                   need not be a root; NULL: they are not asked */
    const struct tls_policy *policy; /* NULL: the usual one */
    bool by_name;                    /* what is shown is chosen by the server's `show` (listener.h) */
};

/*
 * Offers http/1.1. A client that is asked may come with a wrong certificate or none: what it gets then is the
 * handler's business, by exchange_peer_subject(). *setting: the one of the policy that is wrong; may be NULL.
 */
bool tls_server_new(const struct tls_server *server, SSL_CTX **tls, const char **setting,
                    struct err *err) MUST_CHECK;

/* Of what the files hold now: as long as it stays the same no new context is needed. */
bool tls_server_digest(const struct tls_server *server, uint8_t digest[TLS_DIGEST_SIZE],
                       struct err *err) MUST_CHECK;

/* The name in a server_name extension (RFC 6066, section 3), written to `to` in lower case; at == NULL: none.
 */
struct str tls_server_name(struct str extension, char to[TLS_NAME_MAX + 1]);
