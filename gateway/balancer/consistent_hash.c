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
#include <string.h>

#include <xxhash.h>

#include "gateway/balancer/inside.h"
#include "gateway/base/mem.h"

enum {
    POINTS_PER_PEER = 160, /* of average weight; data-plane reference, 7.3 */
    POINTS_PER_SLOT = 16,  /* at most, over all peers: what a new balancer may cost */
    NOBODY = -1
};

struct claim {
    int32_t owner; /* index of an entry */
    uint32_t hash;
};

static uint32_t point_hash(const struct peer_address *address, uint32_t number)
{
    uint8_t text[sizeof(*address) + sizeof(number)];

    memcpy(text, address, sizeof(*address));
    for (size_t i = 0; i < sizeof(number); i++)
        text[sizeof(*address) + i] = (uint8_t)(number >> 8 * i);
    return XXH32(text, sizeof(text), /* seed= */ 0);
}

static void claim_slot(struct claim *claim, int32_t owner, uint32_t hash)
{
    if (claim->owner == NOBODY || hash < claim->hash)
        *claim = (struct claim){owner, hash};
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

static void claim_slots(const struct balancer *balancer, struct claim *claims)
{
    uint64_t all = weighted_count(balancer) * (uint64_t)POINTS_PER_PEER;
    uint64_t most = balancer->slots * (uint64_t)POINTS_PER_SLOT;
    uint32_t number = 0;

    if (all > most)
        all = most;
    for (size_t i = 0; i < balancer->count; i++) {
        if (!is_same_peer(balancer, i))
            number = 0;
        uint32_t end = number + point_count(balancer, all, balancer->entries[i].weight);
        for (; number < end; number++) {
            uint32_t hash = point_hash(&balancer->entries[i].peer->address, number);
            claim_slot(&claims[hash % balancer->slots], (int32_t)i, hash);
        }
    }
}

/* The owner of each slot. */
static void *ring_new(const struct balancer *balancer, int64_t now_ms)
{
    struct claim *claims = mem_alloc(balancer->slots * sizeof(*claims));
    int32_t *owners = mem_alloc(balancer->slots * sizeof(*owners));
    int32_t below = NOBODY;

    (void)now_ms;
    assert(balancer->slots > 0);
    for (uint32_t i = 0; i < balancer->slots; i++)
        claims[i].owner = NOBODY;
    claim_slots(balancer, claims);
    /* Twice around: the lowest slots may belong to the highest point. */
    for (uint32_t i = 0; i < 2 * balancer->slots; i++) {
        uint32_t slot = i % balancer->slots;
        if (claims[slot].owner != NOBODY)
            below = claims[slot].owner;
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
