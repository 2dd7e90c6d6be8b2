/*
 * consistent_hash - the same key goes to the same peer on every node, and a change of the peers moves only
 * their share of the keys.
 *
 * A ring of `slots`. Each peer has points, as many as its weight says; a point falls into the slot that the
 * hash of address and number says. Of several in one slot the smallest hash has it, which no other point's
 * coming or going changes. A slot without a point belongs to whoever has the next one further down. A key
 * begins at its slot and walks down to the first usable peer.
 *
 * Many more points than slots do not spread any better: hence the bound.
 */

#include <assert.h>
#include <stdlib.h>

#include "gateway/balancer/inside.h"
#include "gateway/balancer/point_hash.h"
#include "gateway/base/mem.h"

enum {
    POINTS_PER_PEER = 160, /* of average weight; data-plane reference, 7.3 */
    /* At most, over all peers. One slot in 400 is nobody's then; and a ring, which a loop makes, costs no
     * more than 0.3 ms for a thousand peers on 10,000 slots. */
    POINTS_PER_SLOT = 6,
    NOBODY = -1
};

/* Of a slot: the point's hash above, the index of its entry below. The least one has it, of equal hashes that
 * of the first entry. */
#define UNCLAIMED UINT64_MAX

/* What `% slots` does, without its division: Lemire, Kaser, Kurz, "Faster remainder by direct computation".
 */
struct divisor {
    uint32_t slots;
    uint64_t inverse; /* 2^64 / slots, rounded up; one slot: 0 */
};

static uint32_t slot_of(const struct divisor *by, uint32_t hash)
{
    uint64_t fraction = by->inverse * hash;

    return (uint32_t)((unsigned __int128)fraction * by->slots >> 64);
}

static void claim_slot(uint64_t *claim, size_t owner, uint32_t hash)
{
    uint64_t own = (uint64_t)hash << 32 | owner;

    *claim = own < *claim ? own : *claim; /* without a branch, for nobody can foretell it */
}

static size_t weighted_count(const struct balancer *balancer)
{
    size_t count = 0;

    for (size_t i = 0; i < balancer->count; i++)
        count += balancer->entries[i].weight > 0;
    return count;
}

/* Points of an entry: its share of all, and not none. */
static uint32_t point_count(const struct balancer *balancer, uint64_t all, uint32_t weight)
{
    uint64_t share = (all * weight + balancer->total_weight / 2) / balancer->total_weight;

    if (weight == 0)
        return 0;
    return share > 0 ? (uint32_t)share : 1;
}

/* One address under two targets is one peer: its points are numbered on. */
static bool is_same_peer(const struct balancer *balancer, size_t index)
{
    return index > 0 && balancer->entries[index].peer == balancer->entries[index - 1].peer;
}

static void claim_slots(const struct balancer *balancer, uint64_t *claims)
{
    const struct divisor by = {balancer->slots, UINT64_MAX / balancer->slots + 1};
    uint64_t all = weighted_count(balancer) * (uint64_t)POINTS_PER_PEER;
    uint64_t most = balancer->slots * (uint64_t)POINTS_PER_SLOT;
    uint32_t number = 0;

    if (all > most)
        all = most;
    for (size_t i = 0; i < balancer->count; i++) {
        if (!is_same_peer(balancer, i))
            number = 0;
        uint32_t end = number + point_count(balancer, all, balancer->entries[i].weight);
        const struct point_hash begun = point_hash_begin(&balancer->entries[i].peer->address);
        for (; number < end; number++) {
            uint32_t hash = point_hash_of(&begun, number);
            claim_slot(&claims[slot_of(&by, hash)], i, hash);
        }
    }
}

/* The owner of each slot. */
static void *ring_new(const struct balancer *balancer, int64_t now_ms)
{
    uint64_t *claims = mem_alloc(balancer->slots * sizeof(*claims));
    int32_t *owners = mem_alloc(balancer->slots * sizeof(*owners));
    int32_t below = NOBODY;

    (void)now_ms;
    assert(balancer->slots > 0);
    for (uint32_t i = 0; i < balancer->slots; i++)
        claims[i] = UNCLAIMED;
    claim_slots(balancer, claims);
    /* Twice around: the lowest slots may belong to the highest point. */
    for (uint32_t i = 0; i < 2 * balancer->slots; i++) {
        uint32_t slot = i % balancer->slots;
        if (claims[slot] != UNCLAIMED)
            below = (int32_t)(uint32_t)claims[slot];
        owners[slot] = below;
    }
    free(claims);
    return owners;
}

/* Among many peers some own no slot; they are better than nobody. */
static size_t first_untried(const struct balancer_cursor *cursor, const struct balancer_query *query)
{
    for (size_t i = 0; i < cursor->usable_count; i++)
        if (!was_tried(cursor, query, cursor->usable[i]))
            return cursor->usable[i];
    return BALANCER_NONE;
}

static size_t pick(struct balancer_cursor *cursor, const struct balancer_query *query)
{
    const int32_t *owners = cursor->balancer->plan;
    uint32_t slots = cursor->balancer->slots;
    uint32_t slot = query->hash % slots;

    for (uint32_t left = slots; left > 0; left--) {
        size_t index = (size_t)owners[slot];
        if (cursor->is_usable[index] && !was_tried(cursor, query, index))
            return index;
        slot = slot > 0 ? slot - 1 : slots - 1;
    }
    return first_untried(cursor, query);
}

const struct algorithm consistent_hash = {
    .plan = ring_new,
    .pick = pick,
};
