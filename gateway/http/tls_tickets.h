#pragma once

/*
 * tls_tickets - the keys that seal the tickets by which sessions are resumed.
 *
 * They follow from a secret and the time: whoever has the same secret opens the same tickets, which are all
 * loops of a process, and the process that takes its place on the same machine. A key seals for one period
 * and opens for that and the next; what it has sealed is then of no use, even to a thief of the next key.
 * A thief of the secret has them all, so the secret never leaves memory, and dies with the supervisor.
 *
 * Threads: any.
 */

#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct clock;
struct ssl_ctx_st;

enum {
    TLS_TICKETS_SECRET_SIZE = 32
};

/*
 * From now on the context's tickets are sealed so. Periods are of the monotonic clock, which all processes of
 * a machine share; period_s > 0.
 */
bool tls_tickets_use(struct ssl_ctx_st *tls, const uint8_t secret[TLS_TICKETS_SECRET_SIZE], int64_t period_s,
                     const struct clock *clock, struct err *err) MUST_CHECK;
