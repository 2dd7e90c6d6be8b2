#pragma once

/*
 * window_counters - how often something has happened in a window of time, counted by all loops together.
 *
 * A fixed number of counters. Where all places of a new one are taken, that whose window ends first is
 * forgotten: memory is bounded whatever clients make up. Counting takes no lock; only the first to count in a
 * window does.
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"

struct window_counter;
struct window_counters;

enum {
    WINDOW_COUNTERS_DEFAULT = 256 * 1024 /* 32 bytes each */
};

/* `count`: a power of two, at least 64. */
struct window_counters *window_counters_new(size_t count);
void window_counters_free(struct window_counters *counters);

/* The counter of this key, which includes the window; at 0 if it is new. Wall clock; for the current turn. */
struct window_counter *window_counters_get(struct window_counters *counters, const struct digest *key,
                                           int64_t ends_ms, int64_t now_ms);
uint64_t window_counter_read(const struct window_counter *counter);
/* Adds one unless there are `limit` already. *used: what is counted afterwards. */
bool window_counter_take(struct window_counter *counter, uint64_t limit, uint64_t *used) MUST_CHECK;
/* Takes back what was taken. */
void window_counter_give_back(struct window_counter *counter);
void window_counter_add(struct window_counter *counter, uint64_t amount);
