#pragma once

/*
 * tls_settings - what the ssl_* settings of the proxy mean: read once, when it starts.
 *
 * Threads: made on main; immutable.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/http/client.h"

struct config;
struct config_problems;
struct ssl_ctx_st;
struct tls_identity;
struct x509_store_st;

struct tls_settings {
    struct ssl_ctx_st *server;     /* of the addresses with ssl; by name. NULL: there are none */
    int64_t session_s;             /* of `server`: how long a session can be resumed */
    struct tls_identity *fallback; /* for names that have no certificate; NULL: tls_settings_complete() */
    struct client_tls upstream;    /* what upstreams are met with unless their service says otherwise */
    struct tls_identity *client;   /* of `upstream`; NULL: none */
    struct x509_store_st *trusted; /* of `upstream` */
};

/* Reads files; every mistake becomes a problem. NULL after one. */
struct tls_settings *tls_settings_load(const struct config *config, struct config_problems *problems);
/* Without ssl_cert: the self-signed pairs under the prefix, made if there are none. */
bool tls_settings_complete(struct tls_settings *settings, const struct config *config,
                           struct err *err) MUST_CHECK;
/* Tickets are sealed by keys that follow from the secret (tls_tickets.h). */
bool tls_settings_seal(struct tls_settings *settings, const uint8_t *secret, struct err *err) MUST_CHECK;
void tls_settings_free(struct tls_settings *settings);
