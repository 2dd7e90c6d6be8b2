/*
 * miss_limit - a token bucket kept as one instant per slot: when it would be full again. Each charge moves it
 * by one interval; it is empty when that is more than a second away.
 */

#include "gateway/chain/miss_limit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"

enum {
    SLOTS = 4096,
    CREDIT_US = 1000000
};

struct miss_limit {
    struct digest_salt salt;     /* nobody outside can aim at the slot of another */
    _Atomic int64_t interval_us; /* 0: no limit */
    _Atomic int64_t full_at_us[SLOTS];
};

static size_t slot_of(const struct miss_limit *limit, struct str client)
{
    struct digest digest;

    digest_make(&limit->salt, client, &digest);
    return (size_t)(digest.bytes[0] | digest.bytes[1] << 8) % SLOTS;
}

struct miss_limit *miss_limit_new(int64_t per_second)
{
    struct miss_limit *limit = mem_zalloc(sizeof(*limit));

    random_bytes(&limit->salt, sizeof(limit->salt));
    miss_limit_set(limit, per_second);
    return limit;
}

void miss_limit_free(struct miss_limit *limit)
{
    free(limit);
}

void miss_limit_set(struct miss_limit *limit, int64_t per_second)
{
    int64_t most = per_second < CREDIT_US ? per_second : CREDIT_US;
    int64_t interval_us = most > 0 ? CREDIT_US / most : 0;

    atomic_store_explicit(&limit->interval_us, interval_us, memory_order_relaxed);
}

/* Counters of their own: nothing else is read after them, so relaxed order will do. */
bool miss_limit_allows(const struct miss_limit *limit, struct str client, int64_t now_us)
{
    if (atomic_load_explicit(&limit->interval_us, memory_order_relaxed) == 0)
        return true;
    int64_t full_at_us =
        atomic_load_explicit(&limit->full_at_us[slot_of(limit, client)], memory_order_relaxed);
    return full_at_us - now_us < CREDIT_US;
}

void miss_limit_charge(struct miss_limit *limit, struct str client, int64_t now_us)
{
    int64_t interval_us = atomic_load_explicit(&limit->interval_us, memory_order_relaxed);
    _Atomic int64_t *slot = &limit->full_at_us[slot_of(limit, client)];
    int64_t seen_us = atomic_load_explicit(slot, memory_order_relaxed);
    int64_t next_us;

    do
        next_us = (seen_us > now_us ? seen_us : now_us) + interval_us;
    while (!atomic_compare_exchange_weak_explicit(slot, &seen_us, next_us, memory_order_relaxed,
                                                  memory_order_relaxed));
}
