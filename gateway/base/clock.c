/*
 * clock - see clock.h.
 */

#include "gateway/base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t monotonic_us(void *arg)
{
    (void)arg;
    return read_us(CLOCK_BOOTTIME);
}

static int64_t wall_us(void *arg)
{
    (void)arg;
    return read_us(CLOCK_REALTIME);
}

const struct clock *clock_system(void)
{
    static const struct clock system_clock = {monotonic_us, wall_us, NULL};

    return &system_clock;
}
