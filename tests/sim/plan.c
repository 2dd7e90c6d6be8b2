/* What a seed decides before anything happens. Extremes are likelier than the middle: that is where rules
 * meet. */

#include "tests/sim/plan.h"

#include "gateway/base/attributes.h"
#include "tests/sim/world.h"

#define ONE_OF(dice, ...)                                                                                    \
    one_of(dice, (const int64_t[]){__VA_ARGS__}, COUNT(((const int64_t[]){__VA_ARGS__})))

static int64_t one_of(struct dice *dice, const int64_t *values, size_t count)
{
    return values[dice_below(dice, (unsigned)count)];
}

void plan_draw(struct plan *plan, struct dice *dice)
{
    *plan = (struct plan){
        .nodes = (int)ONE_OF(dice, 1, 1, 1, 2, 2, 3, 5),
        .replicas = (unsigned)ONE_OF(dice, 0, 1, 1, 2, 3),
        .propagation_ms = ONE_OF(dice, 0, 20, 200, 2000),
        .ttl_ms = ONE_OF(dice, 0, 0, 300, 3000, 60000),
        .negative_ttl_ms = ONE_OF(dice, 0, 300, 3000),
        .resurrect_ms = ONE_OF(dice, 0, 300, 30000),
        .fill_deadline_ms = ONE_OF(dice, 200, 2000),
        .poll_ms = ONE_OF(dice, 50, 200, 1000, 5000),
        .poll_deadline_ms = 2000,
        .retention_ms = ONE_OF(dice, 1000, 10000, 3600000),
        .latency_us = ONE_OF(dice, 0, 2000, 20000),
        .max_flights = (int)ONE_OF(dice, 1, 2, 4, 32),
        .max_queued = (int)ONE_OF(dice, 0, 2, 100),
        .max_bytes = (size_t)ONE_OF(dice, 16 << 20, 64 * 1000, 64 * 400),
        .crowded = dice_below(dice, 2) == 0,
        .hints = dice_below(dice, 4) > 0,
        .hint_purge = dice_below(dice, 2) == 0,
        .secret = dice_below(dice, 4) == 0 ? "of the cluster" : NULL,
        .yields = (unsigned)ONE_OF(dice, 0, 100, 1000, 3000, 5000),
        .faults = (unsigned)ONE_OF(dice, 0, 50, 500),
        .fill_faults = (unsigned)ONE_OF(dice, 0, 50, 2000),
        .running = (unsigned)ONE_OF(dice, 3000, 5000, 8000),
        .pace_us = ONE_OF(dice, 100, 1000, 10000, 50000),
    };
    if (dice_below(dice, 40) == 0)
        plan->nodes = NODES;
    plan->delay_gate = plan->replicas > 0 && dice_below(dice, 3) == 0;
}

enum {
    STATEMENTS,
    LOADS,
    PREEMPTION,
    LATENCY,
    REPLICAS_AT_ALL
};

const char *const plan_faults[] = {
    [STATEMENTS] = "statements", /* of the bus, that fail */
    [LOADS] = "loads",           /* that fail */
    [PREEMPTION] = "preemption", [LATENCY] = "latency", [REPLICAS_AT_ALL] = "replicas", NULL,
};

void plan_spare(struct plan *plan, int number)
{
    switch (number) {
    case STATEMENTS:
        plan->faults = 0;
        break;
    case LOADS:
        plan->fill_faults = 0;
        break;
    case PREEMPTION:
        plan->yields = 0;
        break;
    case LATENCY:
        plan->latency_us = 0;
        break;
    case REPLICAS_AT_ALL:
        plan->replicas = 0;
        plan->delay_gate = false;
        break;
    default:
        break;
    }
}
