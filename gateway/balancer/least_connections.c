/*
 * least_connections - the peer with the smallest (requests under way + 1) / weight; of equals any.
 *
 * The counts are the node's, written by all loops, so no loop could keep them sorted. But a peer of the
 * greatest weight with nothing under way cannot be beaten, and while there are many such, a few draws find
 * one. Only when they do not are all peers looked at.
 */

#include "gateway/balancer/inside.h"
#include "gateway/base/mem.h"

enum {
    DRAWS = 8
};

static uint32_t connections_of(const struct balancer_entry *entry)
{
    return atomic_load_explicit(&entry->peer->connections, memory_order_relaxed);
}

/* The usable of the greatest weight come first; state is their number. */
struct heaviest {
    size_t count;
};

static void *heaviest_new(const struct balancer_cursor *cursor, struct random_sequence *random)
{
    (void)cursor;
    (void)random;
    return mem_zalloc(sizeof(struct heaviest));
}

static void put_heaviest_first(struct balancer_cursor *cursor)
{
    const struct balancer_entry *entries = cursor->balancer->entries;
    struct heaviest *heaviest = cursor->state;
    uint32_t greatest = 0;

    heaviest->count = 0;
    for (size_t i = 0; i < cursor->usable_count; i++)
        if (entries[cursor->usable[i]].weight > greatest)
            greatest = entries[cursor->usable[i]].weight;
    for (size_t i = 0; i < cursor->usable_count; i++) {
        uint32_t index = cursor->usable[i];
        if (entries[index].weight < greatest)
            continue;
        cursor->usable[i] = cursor->usable[heaviest->count];
        cursor->usable[heaviest->count++] = index;
    }
}

/* Every idle one is as likely as any other. */
static size_t draw_idle(const struct balancer_cursor *cursor, const struct balancer_query *query)
{
    const struct heaviest *heaviest = cursor->state;

    for (int i = 0; i < DRAWS; i++) {
        size_t index = cursor->usable[draw(query->random, (uint32_t)heaviest->count)];
        if (connections_of(&cursor->balancer->entries[index]) == 0 && !was_tried(cursor, query, index))
            return index;
    }
    return BALANCER_NONE;
}

static size_t find_least(const struct balancer_cursor *cursor, const struct balancer_query *query)
{
    const struct balancer_entry *entries = cursor->balancer->entries;
    size_t least = BALANCER_NONE;
    uint64_t least_load = 0;
    uint64_t least_weight = 1;
    uint32_t equals = 0;

    for (size_t i = 0; i < cursor->usable_count; i++) {
        size_t index = cursor->usable[i];
        uint64_t load = (uint64_t)connections_of(&entries[index]) + 1;
        uint64_t weight = entries[index].weight;
        uint64_t here = load * least_weight;
        uint64_t there = least_load * weight;
        if ((least != BALANCER_NONE && here > there) || was_tried(cursor, query, index))
            continue;
        equals = least != BALANCER_NONE && here == there ? equals + 1 : 1;
        /* The n-th of equals replaces the one before with probability 1/n: each is as likely in the end. */
        if (equals > 1 && draw(query->random, equals) != 0)
            continue;
        least = index;
        least_load = load;
        least_weight = weight;
    }
    return least;
}

static size_t pick(struct balancer_cursor *cursor, const struct balancer_query *query)
{
    size_t idle = draw_idle(cursor, query);

    return idle != BALANCER_NONE ? idle : find_least(cursor, query);
}

const struct algorithm least_connections = {
    .state = heaviest_new,
    .refresh = put_heaviest_first,
    .pick = pick,
};
