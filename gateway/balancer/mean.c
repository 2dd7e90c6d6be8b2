/*
 * mean - see mean.h.
 */

#include "gateway/balancer/mean.h"

#include <math.h>
#include <string.h>

enum {
    DECAY_MS = 10000, /* data-plane reference, 7.3 */
    /* Clocks of threads are read a little earlier than they write: what looks like 49 days is that. */
    DISORDER_MS = 60000
};

static uint64_t pack(float value_us, int64_t now_ms)
{
    uint32_t bits;

    memcpy(&bits, &value_us, sizeof(bits));
    return (uint64_t)bits << 32 | (uint32_t)now_ms;
}

static float value_of(uint64_t word)
{
    uint32_t bits = (uint32_t)(word >> 32);
    float value_us;

    memcpy(&value_us, &bits, sizeof(value_us));
    return value_us;
}

static uint32_t elapsed_ms(uint64_t word, int64_t now_ms)
{
    uint32_t elapsed = (uint32_t)now_ms - (uint32_t)word;

    return elapsed <= UINT32_MAX - DISORDER_MS ? elapsed : 0;
}

static float kept_after(uint32_t elapsed)
{
    return expf(-(float)elapsed / DECAY_MS);
}

void mean_add(struct mean *mean, float value_us, int64_t now_ms)
{
    uint64_t word = atomic_load_explicit(&mean->word, memory_order_relaxed);
    uint64_t next = pack(value_us, now_ms);

    if (word != 0) {
        uint32_t elapsed = elapsed_ms(word, now_ms);
        float kept = kept_after(elapsed);
        if (elapsed == 0)
            return;
        next = pack(value_of(word) * kept + value_us * (1 - kept), now_ms);
    }
    /* Lost against another value of the same moment: that one counts. */
    (void)atomic_compare_exchange_strong_explicit(&mean->word, &word, next, memory_order_relaxed,
                                                  memory_order_relaxed);
}

void mean_begin(struct mean *mean, float value_us, int64_t now_ms)
{
    uint64_t nothing = 0;

    (void)atomic_compare_exchange_strong_explicit(&mean->word, &nothing, pack(value_us, now_ms),
                                                  memory_order_relaxed, memory_order_relaxed);
}

float mean_at(const struct mean *mean, int64_t now_ms)
{
    uint64_t word = atomic_load_explicit(&mean->word, memory_order_relaxed);

    return word != 0 ? value_of(word) * kept_after(elapsed_ms(word, now_ms)) : 0;
}
