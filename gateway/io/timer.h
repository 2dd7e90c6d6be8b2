#pragma once

/*
 * timer - any number of timers of any duration on one loop, O(1) each.
 *
 * A wheel of 20 ms steps on the monotonic clock, run by the loop after each of its turns: libh2o's own
 * timeouts are scanned one by one and follow the wall clock. A timer fires up to one step late, never early.
 * The loop does not tick while no timer is near.
 *
 * Threads: the loop's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct loop;

struct timer {
    struct list link; /* the wheel's; zero before first use */
    int64_t due_ms;
    void (*on_due)(struct timer *timer);
};

/* Starts, or starts again. delay_ms >= 0. on_due never comes from inside. */
void timer_start(struct loop *loop, struct timer *timer, int64_t delay_ms,
                 void (*on_due)(struct timer *timer));
/* Fine when it is not running. */
void timer_stop(struct timer *timer);

static inline bool timer_is_running(const struct timer *timer)
{
    return list_is_linked(&timer->link);
}
