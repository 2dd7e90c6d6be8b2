#pragma once

/*
 * access - who may use the Admin API: peers of some addresses, holders of a client certificate, holders of a
 * token. Each of the three is asked for if its setting is there, and all of these must be fulfilled. The
 * Status API is open to whoever reaches it.
 *
 * What is asked for is made from the settings and the files they name as one object, which is replaced as a
 * whole: so a request meets either the old rules or the new ones, on a kept connection too.
 *
 * Threads: access_load() and access_warn() on main, they block on the disk; the rest on the loop.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"

struct access;
struct config;
struct config_problems;
struct err;
struct request;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* The first reference is the caller's. False: `problems` has got all that is wrong, at any of the files. */
bool access_load(const struct config *config, struct access **access,
                 struct config_problems *problems) MUST_CHECK;
/* The same when a node starts, where it was right before: the first problem is the error. Warns. */
bool access_open(const struct config *config, struct access **access, struct err *err) MUST_CHECK;
/* The loop's, but for the first reference and for what is left when the loop has ended. NULL is fine. */
struct access *access_ref(struct access *access);
void access_unref(struct access *access);

/* What the TLS listeners use; NULL: the settings name none. The same contents have the same context. */
struct ssl_ctx_st *access_tls(const struct access *access);
bool access_same_tls(const struct access *one, const struct access *other);

/* Says in the log, a line each, what an operator may not expect of these settings. */
void access_warn(const struct access *access, const struct config *config);

/* Refusals since the start, for a line in the log now and then. */
struct access_refusals {
    int64_t logged_us;
    uint64_t unlogged_count;
};

/*
 * May the request go on? Its principal is then known, if it has brought a token. Otherwise its answer says
 * what is missing, the same for every path, and for a wrong token as for none.
 */
bool access_grants(struct request *request);
