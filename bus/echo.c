/*
 * echo - see echo.h.
 */

#include "bus/echo.h"

enum {
    ANSWER_US = 5000000,  /* a server that is alive (its PONGs say so) but slow must not be left for that */
    BEACON_US = 30000000, /* after silence of this length */
    SPREAD_US = 10000000, /* and up to this much: the first node speaks for all */
};

static void postpone(struct echo *echo, int64_t now_us, double uniform)
{
    echo->beacon_us = now_us + BEACON_US + (int64_t)(uniform * SPREAD_US);
}

void echo_init(struct echo *echo, int64_t now_us, double uniform)
{
    echo->awaited_us = 0;
    postpone(echo, now_us, uniform);
}

void echo_sent(struct echo *echo, int64_t now_us)
{
    if (echo->awaited_us == 0)
        echo->awaited_us = now_us;
}

void echo_heard(struct echo *echo, int64_t now_us, bool is_own, double uniform)
{
    if (is_own)
        echo->awaited_us = 0;
    postpone(echo, now_us, uniform);
}

bool echo_is_lost(const struct echo *echo, int64_t now_us)
{
    return echo->awaited_us != 0 && now_us - echo->awaited_us > ANSWER_US;
}

bool echo_wants_beacon(const struct echo *echo, int64_t now_us)
{
    return echo->awaited_us == 0 && now_us >= echo->beacon_us;
}

int64_t echo_due_us(const struct echo *echo)
{
    return echo->awaited_us != 0 ? echo->awaited_us + ANSWER_US + 1 : echo->beacon_us;
}
