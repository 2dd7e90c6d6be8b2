#pragma once

/*
 * flip - a peer has become healthy or unhealthy: one line of the log, and a count.
 *
 * Threads: any.
 */

#include "gateway/balancer/health.h"
#include "gateway/base/uuid.h"

struct balanced;
struct peer;

struct flip {
    const struct balanced *balanced;
    const struct peer *peer;
    const struct uuid *target; /* one that has the peer's address */
    const char *cause;         /* "probe refused", "traffic timeout", "by hand" */
};
void flip_tell(const struct flip *flip);
