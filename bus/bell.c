/*
 * A token bucket kept as one instant: "full_at" is when the bucket would be full if nobody rang any more.
 * Each token taken moves it by one interval; a ring may be answered as soon as that leaves at most BURST - 1
 * intervals to go.
 */

#include "bus/bell.h"

enum {
    FASTEST_INTERVAL_US = 10000,  /* 100 a second */
    SLOWEST_INTERVAL_US = 100000, /* 10 a second */
    INTERVAL_PER_NODE_US = 1000,
    SPREAD_PER_NODE_US = 100,
    MAX_SPREAD_US = 20000,
    SPREAD_FROM_NODES =
        16, /* below, all polls together cost the database less than the wait costs the nodes */
};

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    if (value < low)
        return low;
    return value > high ? high : value;
}

void bell_init(struct bell *bell)
{
    *bell = (struct bell){.due_us = BELL_NEVER, .full_at_us = INT64_MIN};
    bell_set_nodes(bell, 1);
}

void bell_set_nodes(struct bell *bell, uint64_t node_count)
{
    int64_t nodes = node_count > 1000 ? 1000 : (int64_t)node_count;

    bell->interval_us = clamp(nodes * INTERVAL_PER_NODE_US, FASTEST_INTERVAL_US, SLOWEST_INTERVAL_US);
    bell->spread_us = nodes < SPREAD_FROM_NODES ? 0 : clamp(nodes * SPREAD_PER_NODE_US, 0, MAX_SPREAD_US);
}

enum bell_answer bell_ring(struct bell *bell, int64_t now_us, double uniform)
{
    int64_t allowed_at_us = now_us;
    int64_t full_at_us = bell->full_at_us > now_us ? bell->full_at_us : now_us;

    if (bell->due_us != BELL_NEVER)
        return BELL_COALESCED;
#ifndef MUTANT_BELL_UNLIMITED
    if (full_at_us - now_us > (BELL_BURST - 1) * bell->interval_us)
        allowed_at_us = full_at_us - (BELL_BURST - 1) * bell->interval_us;
#endif
    bell->full_at_us = full_at_us + bell->interval_us;
    bell->due_us = allowed_at_us + (int64_t)((double)bell->spread_us * uniform);
    return allowed_at_us > now_us ? BELL_LIMITED : BELL_RUNG;
}

void bell_wake(struct bell *bell, int64_t now_us)
{
    if (bell->due_us > now_us)
        bell->due_us = now_us;
}

bool bell_take(struct bell *bell)
{
    bool rung = bell->due_us != BELL_NEVER;

#ifndef MUTANT_BELL_FORGETS
    bell->due_us = BELL_NEVER;
#endif
    return rung;
}
