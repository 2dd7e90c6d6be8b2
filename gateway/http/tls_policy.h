#pragma once

/*
 * tls_policy - which protocols and ciphers a server speaks, and what becomes of sessions.
 *
 * The suites are Mozilla's ("Security/Server Side TLS", 5.7), by the names that the settings have
 * (data-plane reference, 11.5).
 *
 * Threads: one at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct ssl_ctx_st;

struct tls_policy {
    const char *suite;     /* modern, intermediate, old, custom; NULL: intermediate */
    const char *ciphers;   /* with custom; NULL: OpenSSL's */
    const char *protocols; /* with custom: words such as TLSv1.2; NULL: 1.2 and 1.3 */
    bool clients_choose;   /* with custom: the client's order of ciphers counts */
    const char *dhparam;   /* an item for tls_pem_load(), or the name of a group; NULL: chosen by OpenSSL */
    bool without_tickets;  /* sessions are kept here instead */
    int64_t session_s;     /* how long one can be resumed; 0: a day */
    int64_t sessions_kept; /* without tickets; 0: 20,480 */
};

/* *setting: which one is wrong, by its name in the file. Reads a file of dhparam. */
bool tls_policy_apply(const struct tls_policy *policy, struct ssl_ctx_st *tls, const char **setting,
                      struct err *err) MUST_CHECK;

/* "TLSv1.2 TLSv1.3" as the lowest and the highest version of OpenSSL; there may be no gap. */
bool tls_policy_versions(const char *words, int *lowest, int *highest, struct err *err) MUST_CHECK;
