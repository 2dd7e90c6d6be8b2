#pragma once

/*
 * scrub - compares what this node remembers with what is stored, a little at a time, for ever: the net under
 * rules that should make it unnecessary (consistency reference, 6.7). What differs is a fault of ours, or a
 * row that somebody has written around the log.
 *
 * Both comparisons are made in a database snapshot all of whose events this node has applied. Entries of the
 * cache are drawn at random and read again. Rows of the routing snapshot are walked through in the order of
 * their ids, a page at a time, each compared by a digest of its document; at the end of a round their number
 * is. So no look costs more than a page, however large the configuration is, and nothing waits meanwhile.
 *
 * Threads: the bus thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "bus/bus.h"
#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/uuid.h"

struct cache;
struct schemas;
struct snapshot;

struct scrub {
    struct cache *cache;
    const struct schemas *schemas;
    size_t schema;    /* number of the one whose rows are next */
    struct uuid last; /* the last row seen of it; nil: none */
};

/*
 * One look, in a view of which `snapshot` and the cache have applied all events. What differs is logged and
 * counted; an entry is dropped as well. *is_right false: the routing has to be loaded anew. false: the
 * database has not answered.
 */
bool scrub_look(struct scrub *scrub, const struct snapshot *snapshot, const struct bus_batch *batch,
                bool *is_right, struct err *err) MUST_CHECK;
