#pragma once

/*
 * timer_wheel - what a loop keeps for its timers (timer.h). For loop.c and timer.c only.
 *
 * Threads: the loop's.
 */

#include <stdint.h>

#include "gateway/base/list.h"

struct loop;

enum {
    TIMER_STEP_MS = 20,
    TIMER_SLOTS = 512, /* 10.24 s a round; what is due later stays in its slot for further rounds */
};

struct timer_wheel {
    struct list slots[TIMER_SLOTS];
    uint64_t maybe[TIMER_SLOTS / 64]; /* a bit per slot that may hold timers */
    int64_t step;                     /* every step up to this one has been run */
};

void timer_wheel_init(struct timer_wheel *wheel, int64_t now_ms);
/* Fires what is due. */
void timer_wheel_run(struct timer_wheel *wheel, int64_t now_ms);
/* How long nothing can be due; at most `longest_ms`. */
int timer_wheel_wait_ms(struct timer_wheel *wheel, int64_t now_ms, int longest_ms);

/* The wheel of a loop (loop.c). */
struct timer_wheel *loop_wheel(struct loop *loop);
