#pragma once

/*
 * clock - time, passed in, so that tests never sleep.
 *
 * The monotonic clock is CLOCK_BOOTTIME: it counts while the machine is suspended, so a node that slept knows
 * it. No rule that keeps data right compares clocks of two machines (consistency reference, I12).
 *
 * Threads: any.
 */

#include <stdint.h>

struct clock {
    int64_t (*monotonic_us)(void *arg);
    int64_t (*wall_us)(void *arg); /* microseconds since 1970 */
    void *arg;
};

/* The machine's own; never freed. */
const struct clock *clock_system(void);

static inline int64_t clock_now_us(const struct clock *clock)
{
    return clock->monotonic_us(clock->arg);
}

static inline int64_t clock_now_ms(const struct clock *clock)
{
    return clock->monotonic_us(clock->arg) / 1000;
}

static inline int64_t clock_unix_s(const struct clock *clock)
{
    return clock->wall_us(clock->arg) / 1000000;
}
