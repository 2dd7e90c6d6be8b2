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

/* BEGIN (READ COMMITTED) with the three SET LOCAL timeouts and synchronous_commit, in one round trip. */
bool outbox_begin(struct pg_session *session, int64_t append_timeout_ms, struct bus_err *err);

/*
 * Appends `count` >= 1 events (entity, id, keys and kind are used; position and tag are made here) and
 * commits.
 *
 * false: the transaction is not in force, except BUS_ERR_UNKNOWN_OUTCOME: the answer to COMMIT was lost and
 * the log could not be asked in time whether the tag is there. The connection state is clean either way.
 */
bool outbox_commit(struct pg_session *session, const struct bus_event *events, size_t count,
                   const uint8_t origin[16], int64_t append_timeout_ms, struct outbox_receipt *receipt,
                   struct bus_err *err);
