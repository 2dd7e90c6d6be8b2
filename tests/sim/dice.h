#pragma once

/*
 * dice - all chance of a run, from one seed (splitmix64).
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline unsigned dice_below(struct dice *dice, unsigned n)
{
    return (unsigned)((dice_next(dice) >> 32) * n >> 32);
}

/* 0 .. most */
static inline int64_t dice_up_to(struct dice *dice, int64_t most)
{
    return most > 0 ? (int64_t)(dice_next(dice) % ((uint64_t)most + 1)) : 0;
}

static inline bool dice_chance(struct dice *dice, unsigned per_myriad)
{
    return dice_below(dice, 10000) < per_myriad;
}
