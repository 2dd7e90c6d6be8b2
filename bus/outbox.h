#pragma once

/*
 * outbox - the writer's end of the log: events appended in the transaction of the change, and its COMMIT.
 *
 * Lock, insert and COMMIT are one pipeline, so that no round trip and no pause of the writer lies between
 * taking the append lock and releasing it (consistency reference, 3.3).
 *
 * Threads: the session's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/event.h"
#include "bus/pg_session.h"

struct outbox_receipt {
    uint64_t position;
    int64_t tag;
};

/*
 * BEGIN (READ COMMITTED) with the three SET LOCAL timeouts and synchronous_commit: statements to be sent
 * ahead of the transaction's first, so that they cost no round trip. Points into itself: it stays where it
 * was made.
 */
struct outbox_opening {
    struct pg_statement statements[2];
    const char *params[2];
    char timeout[32], lock_timeout[32];
};
/* How long a statement may wait for the locks of others, below the append's own timeout; the append itself
 * waits for its full time. */
void outbox_open(struct outbox_opening *opening, int64_t append_timeout_ms, int64_t lock_timeout_ms);
/* The same as a round trip of its own, with all the patience there is. */
bool outbox_begin(struct pg_session *session, int64_t append_timeout_ms, struct bus_err *err);

/* What gets a position of its own: 1..count events, of which entity, id, keys, flags and kind are used. */
struct outbox_commit {
    const struct bus_event *events;
    size_t count;
    struct outbox_receipt receipt; /* the answer */
};
struct outbox_append {
    struct outbox_commit *commits; /* take consecutive positions, in this order */
    size_t count;                  /* at least 1 */
    const uint8_t *origin;         /* 16 bytes */
    int64_t timeout_ms;            /* as the transaction was opened with */
    const char *release_sql;       /* RELEASE of the savepoints that are left; NULL: there are none */
};

/*
 * Appends and commits. Several commits become visible in the same instant, as if all others had looked away
 * between the first and the last; for who reads the log they are commits like any others.
 *
 * false: the transaction is not in force, except BUS_ERR_UNKNOWN_OUTCOME: the answer to COMMIT was lost and
 * the log could not be asked in time whether the tags are there. All commits share one outcome. The
 * connection state is clean either way.
 */
bool outbox_append(struct pg_session *session, const struct outbox_append *append, struct bus_err *err);
/* The same for one. */
bool outbox_commit(struct pg_session *session, const struct bus_event *events, size_t count,
                   const uint8_t origin[16], int64_t append_timeout_ms, struct outbox_receipt *receipt,
                   struct bus_err *err);
