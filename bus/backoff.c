/* Capped exponential steps; the wait is drawn uniformly from below the step. */

#include "bus/backoff.h"

void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t cap_ms)
{
    *backoff = (struct backoff){.first_ms = first_ms < 1 ? 1 : first_ms, .cap_ms = cap_ms < 1 ? 1 : cap_ms};
}

int64_t backoff_next(struct backoff *backoff, double uniform)
{
    int64_t step_ms = backoff->step_ms > 0 ? backoff->step_ms : backoff->first_ms;

    if (step_ms > backoff->cap_ms)
        step_ms = backoff->cap_ms;
    backoff->step_ms = step_ms > backoff->cap_ms / 2 ? backoff->cap_ms : step_ms * 2;
    return 1 + (int64_t)((double)(step_ms - 1) * uniform);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->step_ms = 0;
}
