#pragma once

/*
 * freshness - what may be used of a record, when it is asked for again, and what an outcome makes of it.
 *
 * Pure: time is passed in. The resolver's lock guards the record.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/dns/lookup.h"
#include "gateway/dns/record_cache.h"
#include "gateway/dns/resolver.h"

enum {
    FRESHNESS_RECHECK_MS = 60 * 1000, /* of a TTL of 0, for targets */
    FRESHNESS_RETRY_MS = 30 * 1000,   /* after a failure, for targets */
};

/* What may be used now, borrowed, or NULL. */
const struct resolver_answer *freshness_usable(const struct record *record, enum resolver_use use,
                                               int64_t now_ms);
/* Should it be asked for again? */
bool freshness_is_due(const struct record *record, enum resolver_use use, int64_t now_ms);
/* What the next lookup has to know; borrowed. */
struct lookup_past freshness_past(const struct record *record, int64_t now_ms);

/* True: the addresses for one use or the other are not what they were. A new answer has `number`. */
bool freshness_settle(struct record *record, const struct lookup_result *result,
                      const struct resolver_options *options, uint64_t number, int64_t now_ms);
