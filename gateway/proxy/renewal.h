#pragma once

/*
 * renewal - cached entries that were in use when a batch made them stale, read again in the batch's own
 * snapshot (consistency reference, 6.3).
 *
 * So a changed credential that is asked for all the time costs no miss and no herd, and a database that goes
 * away right after the change takes nothing along.
 *
 * Threads: the bus thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/cache/cache.h"

struct pg_session;
struct schemas;

enum {
    RENEWALS_MAX = 256 /* per batch; what is more is read when it is asked for */
};

struct renewals {                           /* {0} is empty */
    struct cache_renewal *at[RENEWALS_MAX]; /* owned */
    size_t count;
};

/* Drops the entry of a key; remembers it if it was in use and there is room. */
void renewals_invalidate(struct renewals *renewals, struct cache *cache, const struct digest *key,
                         uint64_t position);
/* After every event of the batch has raised its fence. false: the view cannot be read any more. */
bool renewals_read(struct renewals *renewals, struct cache *cache, const struct schemas *schemas,
                   struct pg_session *view, struct err *err) MUST_CHECK;
void renewals_fini(struct renewals *renewals);
