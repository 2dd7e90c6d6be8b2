#pragma once

/*
 * poller - the event log as SQL: where its head is, and what happened since a position.
 *
 * An idle poll is one statement outside any transaction. When news is expected, BEGIN, head and events travel
 * as one pipeline, and the snapshot stays open for whoever wants to read rows in it. What the answers mean is
 * reader.h's.
 *
 * Threads: the session's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/event.h"
#include "bus/pg_session.h"
#include "bus/reader.h"
#include "bus/registry.h"

enum {
    POLLER_LOG_FORMAT = 1
}; /* the only one we can read */

/* What comes along with the head; the two numbers not always, but less often the more nodes there are. */
struct poller_extra {
    uint8_t key_salt[16];
    uint64_t node_count;       /* live by their leases; 0: not counted yet */
    uint64_t slowest_position; /* the least that any of them has applied; those that join do not count */
};

struct poller {
    struct pg_session *session; /* borrowed */
    int64_t deadline_ms;
    struct bus_event *events; /* of the last poller_open_view() */
    size_t event_count;
    size_t event_room;
    uint8_t (*keys)[16]; /* of all events */
    struct poller_extra extra;
    int64_t count_us;      /* when the nodes are to be counted again */
    int64_t newest_age_ms; /* how old the newest commit was when it was read; by the database's clock */
};

void poller_init(struct poller *poller, struct pg_session *session, int64_t deadline_ms);
void poller_fini(struct poller *poller);

/* One statement. beat NULL: no heartbeat is due. */
bool poller_peek(struct poller *poller, uint64_t applied, const struct registry_row *beat,
                 struct reader_head *head, struct bus_err *err);

enum poller_scope {
    POLLER_HEAD_ONLY,
    POLLER_HEAD_AND_EVENTS
};

/* Opens a REPEATABLE READ READ ONLY transaction. On failure none is open. */
bool poller_open_view(struct poller *poller, enum poller_scope scope, uint64_t applied,
                      struct reader_head *head, struct bus_err *err);

/*
 * Ends it. With `beat`, a heartbeat follows in the same round trip; false: the heartbeat did not succeed. The
 * view is gone either way.
 */
bool poller_close_view(struct poller *poller, const struct registry_row *beat, struct bus_err *err);
