#pragma once

/*
 * health - may a peer be sent requests? Counters of what happened to it, and the state they lead to.
 *
 * The rules are section 8.2 of the data-plane reference: a success clears the counters of failures, a failure
 * of any kind clears the counter of successes, and a counter that reaches its limit flips the state. Traffic
 * and probes report into the same counters, each with limits of its own. A peer starts healthy; {0} is that.
 *
 * All of it is one atomic word. A report that changes nothing, which is nearly every one, only reads it.
 *
 * Threads: any.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"

struct health_limits; /* gateway/model/entities.h; 0 to 255 each, 0: such reports lead to nothing */

enum health_outcome {
    HEALTH_SUCCESS,
    HEALTH_TCP_FAILURE, /* refused, reset, failed handshake */
    HEALTH_TIMEOUT,
    HEALTH_HTTP_FAILURE, /* an answer whose status counts as one */
};

struct health {
    _Atomic uint64_t word; /* health.c */
};

/*
 * True: the peer has become healthy or unhealthy by it, and no other thread is told so. With all limits 0
 * checks of that kind are off, and nothing happens.
 */
bool health_report(struct health *health, const struct health_limits *limits,
                   enum health_outcome outcome) MUST_CHECK;
/* By hand: the counters start over. True: it was the other before. */
bool health_set(struct health *health, bool healthy) MUST_CHECK;
bool health_is_good(const struct health *health);
