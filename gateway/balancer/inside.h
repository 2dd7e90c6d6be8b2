#pragma once

/*
 * inside - what an algorithm sees of a balancer and a cursor, and what it has to offer. For this folder only.
 *
 * Threads: a balancer is immutable once made; a cursor belongs to its loop.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/balancer/balancer.h"

/* plan and state are one block each, freed with free(3); NULL: the algorithm needs none. */
struct algorithm {
    void *(*plan)(const struct balancer *balancer, int64_t now_ms);
    void *(*state)(const struct balancer_cursor *cursor, struct random_sequence *random);
    /* Before the first pick, and when other peers than before are usable. */
    void (*refresh)(struct balancer_cursor *cursor);
    /* Some peer is usable. Index of an entry that is and was not tried, or BALANCER_NONE: there is none. */
    size_t (*pick)(struct balancer_cursor *cursor, const struct balancer_query *query);
};

extern const struct algorithm round_robin, consistent_hash, least_connections, latency;

#define BALANCER_NONE SIZE_MAX

struct balancer {
    _Atomic uint32_t refs;
    const struct algorithm *algorithm;
    struct peer_table *table;
    struct uuid upstream;
    uint32_t slots;
    double threshold;
    uint64_t total_weight;
    void *plan;   /* the algorithm's, shared by all loops */
    size_t count; /* of entries, those without weight included */
    struct balancer_entry entries[];
};

struct balancer_cursor {
    struct balancer *balancer;
    bool looked;         /* false: what follows says nothing */
    uint64_t generation; /* of the table, when peers were looked at */
    bool healthy;
    bool *is_usable;  /* by entry: has a weight, and its peer is healthy */
    uint32_t *usable; /* indices of those */
    size_t usable_count;
    void *state; /* the algorithm's */
};

static inline bool was_tried(const struct balancer_cursor *cursor, const struct balancer_query *query,
                             size_t index)
{
    const struct peer *peer = cursor->balancer->entries[index].peer;

    for (size_t i = 0; i < query->tried_count; i++)
        if (query->tried[i] == peer)
            return true;
    return false;
}

/* Uniform in [0, below), but for a 2^-32th of `below` (Lemire, "Fast random integer generation", 2019). */
static inline uint32_t draw(struct random_sequence *random, uint32_t below)
{
    return (uint32_t)((random_next(random) >> 32) * below >> 32);
}
