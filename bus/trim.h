#pragma once

/*
 * trim - removes what is older than the retention: log rows that every running node has read, and nodes long
 * gone.
 *
 * The floor moves first; from then on rows at or below it count as gone. So deleting may be cut short, and
 * any number of nodes may do it at once. Who still needs such a row starts over instead (reason lag). The
 * newest commit stays.
 *
 * Threads: the session's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bus/pg_session.h"

/* First step of a round, one statement. Not moved: nothing is old enough, or an append was going on. */
bool trim_move_floor(struct pg_session *session, int64_t retention_ms, int64_t deadline_ms, bool *moved,
                     struct bus_err *err);

/* Further steps, until *deleted is 0. */
bool trim_delete(struct pg_session *session, int64_t deadline_ms, uint64_t *deleted, struct bus_err *err);
