/*
 * health - see health.h.
 *
 *     bit 32       31       24 23     16 15      8 7        0
 *     unhealthy    HTTP fail.  timeouts  TCP fail. successes
 *
 * A healthy peer needs no count of successes and an unhealthy one none of failures, so those stay 0: the word
 * of a peer that does well is 0 and is not written to.
 */

#include "gateway/balancer/health.h"

#include "gateway/model/entities.h"

enum {
    COUNTER_BITS = 8,
    COUNTER_MAX = (1 << COUNTER_BITS) - 1
};

static const uint64_t unhealthy = UINT64_C(1) << 32;

static int limit_of(const struct health_limits *limits, enum health_outcome outcome)
{
    switch (outcome) {
    case HEALTH_SUCCESS:
        return limits->successes;
    case HEALTH_TCP_FAILURE:
        return limits->tcp_failures;
    case HEALTH_TIMEOUT:
        return limits->timeouts;
    case HEALTH_HTTP_FAILURE:
        return limits->http_failures;
    }
    return 0;
}

static bool are_off(const struct health_limits *limits)
{
    return limits->successes == 0 && limits->tcp_failures == 0 && limits->timeouts == 0 &&
           limits->http_failures == 0;
}

/* One more of the outcome; at its limit the other state, with all counters 0. */
static uint64_t count(uint64_t word, int limit, enum health_outcome outcome)
{
    unsigned shift = COUNTER_BITS * (unsigned)outcome;
    uint64_t counted = word >> shift & COUNTER_MAX;

    if (limit == 0)
        return word;
    if (counted < COUNTER_MAX)
        counted++;
    if (counted >= (uint64_t)limit)
        return outcome == HEALTH_SUCCESS ? 0 : unhealthy;
    return (word & ~((uint64_t)COUNTER_MAX << shift)) | counted << shift;
}

static uint64_t after(uint64_t word, const struct health_limits *limits, enum health_outcome outcome)
{
    bool is_success = outcome == HEALTH_SUCCESS;
    bool is_good = (word & unhealthy) == 0;

    if (is_success == is_good)
        return word & unhealthy; /* as it should be: the count towards the other state starts over */
    return count(word, limit_of(limits, outcome), outcome);
}

bool health_report(struct health *health, const struct health_limits *limits, enum health_outcome outcome)
{
    uint64_t word = atomic_load_explicit(&health->word, memory_order_relaxed);
    uint64_t next;

    if (are_off(limits))
        return false;
    do {
        next = after(word, limits, outcome);
        if (next == word)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&health->word, &word, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return ((word ^ next) & unhealthy) != 0;
}

bool health_set(struct health *health, bool healthy)
{
    uint64_t next = healthy ? 0 : unhealthy;
    uint64_t word = atomic_exchange_explicit(&health->word, next, memory_order_relaxed);

    return ((word ^ next) & unhealthy) != 0;
}

bool health_is_good(const struct health *health)
{
    return (atomic_load_explicit(&health->word, memory_order_relaxed) & unhealthy) == 0;
}
