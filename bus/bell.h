#pragma once

/*
 * bell - asks for an early poll, and keeps whoever rings it from turning that into a load on the database.
 *
 * The first ring after a quiet time is answered at once; a burst is coalesced into polls at a bounded rate.
 * This node's own commits do not pass the bucket: they are bounded by the writes themselves.
 *
 * Pure: time and chance are passed in. Threads: the caller's lock.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
    BELL_BURST = 10
};

#define BELL_NEVER INT64_MAX

struct bell {
    int64_t due_us;      /* when the poll that was asked for should start; BELL_NEVER: nobody asked */
    int64_t interval_us; /* between two tokens */
    int64_t spread_us;   /* rings of a large cluster are answered at different instants */
    int64_t full_at_us;  /* when the bucket will be full again */
};

enum bell_answer {
    BELL_RUNG,      /* a poll has been scheduled, as soon as can be */
    BELL_COALESCED, /* one was scheduled already and will begin after this ring */
    BELL_LIMITED,   /* scheduled for when there is a token again */
};

void bell_init(struct bell *bell);

/* The more nodes hear the same ring, the less often each may answer: clamp(1000 / nodes, 10, 100) a second.
 */
void bell_set_nodes(struct bell *bell, uint64_t node_count);

/* Somebody says the log has grown. uniform: [0, 1). */
enum bell_answer bell_ring(struct bell *bell, int64_t now_us, double uniform);

/* This node knows that the log has grown. */
void bell_wake(struct bell *bell, int64_t now_us);

/* The poll starts now: later rings ask for another one. true: it was asked for. */
bool bell_take(struct bell *bell);
