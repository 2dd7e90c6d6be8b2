#pragma once

/*
 * synced_counters - windows that are counted here and made known to a Redis each sync_rate seconds, when what
 * others have counted is learnt (plugin reference, 9: policy redis with sync_rate > 0).
 *
 *     count = known (the Redis had it) + told (on its way there) + untold (to be told)
 *
 * Between two news this node counts exactly, all its loops together; what others let through meanwhile it
 * cannot know. What was told and never answered is not told again, but goes on to count here. A count never
 * falls.
 *
 * A window is made by a loop, which tells of it from then on and is the only one who removes it
 * (synced_teller.h). Their number is bounded.
 *
 * Threads: any; a lock that covers a part of the windows is held for moments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"

struct synced_counters;

enum {
    SYNCED_WINDOWS_MAX = 16 * 1024 /* about 400 bytes each; a round of all of them takes some milliseconds */
};

struct synced_counters *synced_counters_new(size_t most);
void synced_counters_free(struct synced_counters *counters);

enum synced_answer {
    SYNCED_TAKEN,
    SYNCED_OVER,  /* there is no room in the window */
    SYNCED_STALE, /* there are no news that are fresh enough: synced_learn() first */
    SYNCED_ABSENT /* synced_make() first */
};

/* One more, unless there are `limit`. *used: before. Times are monotonic; fresh_ms: how old news may be. */
enum synced_answer synced_take(struct synced_counters *counters, const struct digest *key, uint64_t limit,
                               int64_t now_ms, int64_t fresh_ms, uint64_t *used) MUST_CHECK;
/* Takes back what was taken. */
void synced_give_back(struct synced_counters *counters, const struct digest *key);
/* Counts without asking; told with the rest. */
void synced_add(struct synced_counters *counters, const struct digest *key);
/* The Redis has been read. */
void synced_learn(struct synced_counters *counters, const struct digest *key, int64_t value, int64_t now_ms);

/* ---- for who tells of a window ---- */

enum synced_made {
    SYNCED_MADE, /* the caller's, to be told of and removed */
    SYNCED_THERE,
    SYNCED_FULL
};
enum synced_made synced_make(struct synced_counters *counters, const struct digest *key) MUST_CHECK;
void synced_remove(struct synced_counters *counters, const struct digest *key);

/* What is to be told now; *amount can be 0, to hear the news only. false: nobody has needed the window since.
 */
bool synced_tell(struct synced_counters *counters, const struct digest *key, int64_t *amount) MUST_CHECK;
/* `amount` was told, and now there is `value`. */
void synced_told(struct synced_counters *counters, const struct digest *key, int64_t amount, int64_t value,
                 int64_t now_ms);
/* It may have been told. */
void synced_lost(struct synced_counters *counters, const struct digest *key, int64_t amount);
/* It has not. */
void synced_unsaid(struct synced_counters *counters, const struct digest *key, int64_t amount);
