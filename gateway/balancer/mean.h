#pragma once

/*
 * mean - how long answers take of late: an exponentially weighted mean that decays in 10 s.
 *
 * What nobody adds to decays towards 0, so that a peer that was slow once is tried again. {0}: nothing is
 * known yet. One atomic word: the mean in microseconds as a float, and the millisecond it was written.
 *
 * Threads: any. Of several values within one millisecond the first counts.
 */

#include <stdatomic.h>
#include <stdint.h>

struct mean {
    _Atomic uint64_t word; /* mean.c */
};

/* value_us > 0. now_ms: the monotonic clock. */
void mean_add(struct mean *mean, float value_us, int64_t now_ms);
/* Where nothing is known: the value to begin with. */
void mean_begin(struct mean *mean, float value_us, int64_t now_ms);
/* 0: nothing is known. */
float mean_at(const struct mean *mean, int64_t now_ms);
