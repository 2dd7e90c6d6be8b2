#pragma once

/*
 * fence - the last invalidation of each slot of keys. What an answer must be at least as new as, to be
 * cached.
 *
 * 65,536 slots, chosen by 16 bits of the digest. Two keys in one slot cost a needless load, never staleness.
 * Between two restarts fences only grow (consistency reference, 6.2).
 *
 * Threads: any. Raising is a compare-and-swap; a raise is made before the entry is dropped under its shard's
 * lock, and an insertion looks at the fence under that lock: so either the insertion sees the raise, or it
 * came first and is dropped.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/digest.h"

enum {
    FENCE_SLOTS = 65536,
    FENCE_TYPES = 256
};

struct fences {
    _Atomic uint64_t slots[FENCE_SLOTS];
    _Atomic uint64_t hinted[FENCE_SLOTS]; /* soft: binds answers of replicas only */
    _Atomic uint64_t types[FENCE_TYPES];
    _Atomic uint64_t all;
    _Atomic bool any_hinted;
    /* Delay gate only, else NULL: until when (us) loads of a slot avoid the replica; the last entry is for
     * all. */
    _Atomic int64_t *replica_after;
};

static inline unsigned fence_slot(const struct digest *digest)
{
    return (unsigned)digest->bytes[14] << 8 | digest->bytes[15];
}

static inline void fence_raise(_Atomic uint64_t *fence, uint64_t position)
{
    uint64_t old = atomic_load_explicit(fence, memory_order_relaxed);
    while (old < position && !atomic_compare_exchange_weak_explicit(
                                 fence, &old, position, memory_order_release, memory_order_relaxed))
        ;
}

static inline uint64_t fence_of_type(struct fences *fences, uint8_t type)
{
    uint64_t all = atomic_load_explicit(&fences->all, memory_order_acquire);
    uint64_t of_type = atomic_load_explicit(&fences->types[type], memory_order_acquire);
    return all > of_type ? all : of_type;
}

/* The position an answer for this key needs. */
static inline uint64_t fence_of_key(struct fences *fences, const struct digest *digest, uint8_t type)
{
    uint64_t wide = fence_of_type(fences, type);
    uint64_t slot = atomic_load_explicit(&fences->slots[fence_slot(digest)], memory_order_acquire);
    return wide > slot ? wide : slot;
}
