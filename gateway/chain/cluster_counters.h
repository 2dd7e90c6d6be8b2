#pragma once

/*
 * cluster_counters - windows that all nodes of a database count together, in its rows.
 *
 * Requests that arrive while a batch is under way make the next one: one round trip reads the windows of them
 * all and writes what the batch before has let through. So what this node counts is exact, and other nodes
 * see it one batch later. After a failure nothing is asked for a while: requests hear at once that there is
 * no answer.
 *
 * What could not be written for want of a connection is kept, within bounds, and written later; what was
 * sent and not answered is not said again.
 *
 * Threads: any; answers come to the loop of each request.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/model/usage.h"

struct clock;
struct cluster_counters;
struct store;
struct store_session;
struct tally_op;

enum usage_outcome {
    USAGE_DONE,
    USAGE_NOT_SENT, /* nothing has been written, and it can be said again */
    USAGE_UNKNOWN   /* perhaps it has, perhaps it never can be */
};

/* How the database is reached (gateway/store/usage_rows.h); whoever makes the counters joins the two. */
struct usage_store {
    struct store *store;
    bool (*submit)(struct store *store, void (*run)(struct store_session *session, void *arg), void *arg);
    /* Adds these, then reads those (writes their `count`). */
    enum usage_outcome (*exchange)(struct store_session *session, const struct usage *adds, size_t add_count,
                                   struct usage *reads, size_t read_count, struct err *err);
    /* Removes at most `most` rows whose windows have ended; how many were there? */
    size_t (*sweep)(struct store_session *session, size_t most);
};

struct cluster_counters *cluster_counters_new(const struct usage_store *store, const struct clock *clock);
/* After the store's threads have ended and the loops have taken what came late. */
void cluster_counters_free(struct cluster_counters *counters);

/* Takes the op over. false: the database is known not to answer, or too much waits; the op is the caller's.
 */
bool cluster_counters_give(struct cluster_counters *counters, struct tally_op *op) MUST_CHECK;
