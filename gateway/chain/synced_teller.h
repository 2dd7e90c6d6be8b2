#pragma once

/*
 * synced_teller - tells a Redis each sync_rate seconds what this loop's windows have counted, and hears what
 * others have: one command for up to 64 windows, all at once on the loop's connection.
 *
 * Threads: the loop's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/chain/redis_pool.h"
#include "gateway/chain/synced_counters.h"

struct clock;
struct redis_target;
struct synced_teller;

struct synced_teller_options {
    struct loop *loop;
    struct redis_pool *redis; /* freed before: then nothing is under way any more */
    struct synced_counters *counters;
    const struct clock *clock; /* wall time, for ends */
};
struct synced_teller *synced_teller_new(const struct synced_teller_options *options);
/* What has not been told is lost. */
void synced_teller_free(struct synced_teller *teller);

struct synced_window {
    struct digest digest;
    struct str key; /* in the Redis; copied */
    int64_t ends_s; /* Unix time */
};
struct synced_counters *synced_teller_counters(struct synced_teller *teller);
/* From now on the window is told of, until it has ended or nobody needs it. false: there are too many. */
bool synced_teller_adopt(struct synced_teller *teller, const struct redis_target *target, int64_t sync_ms,
                         const struct synced_window *window) MUST_CHECK;
