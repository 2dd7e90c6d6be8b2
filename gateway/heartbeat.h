#pragma once

/*
 * heartbeat - memory that a worker and its supervisor share, in which each loop of the worker shows that it
 * still turns. It knows nothing of either.
 *
 * Time is what passes while the supervisor itself runs: a machine that was suspended, or a stop of both, adds
 * no more than half of the limit, which a loop that lives fills with a beat.
 *
 * Threads: heartbeat_beat() by the loop whose number it is; the rest belongs to the supervisor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heartbeat;

enum {
    HEARTBEAT_LOOPS_MAX = 256,
    HEARTBEATS_PER_LIMIT = 8, /* a loop beats so often in the time after which it counts as hung */
    HEARTBEAT_LOOKS = 4,      /* and is looked at so often */
};

/* Before the worker is forked. NULL: there is no memory, nobody is watched. */
struct heartbeat *heartbeat_new(void);
void heartbeat_free(struct heartbeat *heartbeat);

/* By a loop, from when it begins; loops beyond the last number are not watched. */
void heartbeat_beat(struct heartbeat *heartbeat, size_t loop);
/* It ends as it should. */
void heartbeat_end(struct heartbeat *heartbeat, size_t loop);

/* Whether a loop, *loop, has been silent for limit_ms. To be called HEARTBEAT_LOOKS times in limit_ms. */
bool heartbeat_is_lost(struct heartbeat *heartbeat, int64_t now_ms, int64_t limit_ms, size_t *loop);
/* No loop has been silent for half of the limit, as of the last look. */
bool heartbeat_turns(const struct heartbeat *heartbeat, int64_t limit_ms);
/* All that was silent counts from now on. */
void heartbeat_forgive(struct heartbeat *heartbeat);
