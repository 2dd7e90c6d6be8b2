#pragma once

/*
 * backoff - how long to wait before trying again: doubling, capped, with full jitter.
 *
 * Full jitter (anything between nothing and the step) keeps many nodes that lost the same server from coming
 * back in step. Pure: chance is passed in.
 */

#include <stdint.h>

struct backoff {
    int64_t first_ms; /* the first step */
    int64_t cap_ms;   /* the largest step */
    int64_t step_ms;  /* the next step; 0: the first */
};

void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t cap_ms);

/* Another failure: how long to wait now, 1 .. cap. uniform: [0, 1). */
int64_t backoff_next(struct backoff *backoff, double uniform);

/* It works again. */
void backoff_reset(struct backoff *backoff);
