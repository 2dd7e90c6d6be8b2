/*
 * balancer - making one, and asking one: what all algorithms have in common.
 *
 * A cursor looks at the health of all peers when the generation of the table has moved, and remembers which
 * are usable. Between two flips an algorithm has nothing to ask peers about but what it balances by.
 */

#include "gateway/balancer/balancer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gateway/balancer/inside.h"
#include "gateway/base/mem.h"

/* To add one: a row here, a file of its own. */
static const struct algorithm *const algorithms[] = {
    [BALANCING_ROUND_ROBIN] = &round_robin,
    [BALANCING_CONSISTENT_HASHING] = &consistent_hash,
    [BALANCING_LEAST_CONNECTIONS] = &least_connections,
    [BALANCING_LATENCY] = &latency,
};

uint32_t balancer_hash(struct str key)
{
    return XXH32(key.at, key.len, /* seed= */ 0);
}

/* ---- made of members ---- */

static int by_address(const void *one, const void *other)
{
    const struct balancer_member *a = one;
    const struct balancer_member *b = other;
    int order = memcmp(&a->address, &b->address, sizeof(a->address));

    if (order != 0)
        return order;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    return (a->weight > b->weight) - (a->weight < b->weight);
}

/* The caller frees them. */
static struct balancer_member *sort_members(const struct balancer_spec *spec)
{
    struct balancer_member *sorted = mem_alloc(spec->count * sizeof(*sorted) + 1);

    if (spec->count > 0) {
        memcpy(sorted, spec->members, spec->count * sizeof(*sorted));
        qsort(sorted, spec->count, sizeof(*sorted), by_address);
    }
    return sorted;
}

struct balancer *balancer_new(const struct balancer_spec *spec, int64_t now_ms)
{
    struct balancer *balancer = mem_zalloc(sizeof(*balancer) + spec->count * sizeof(struct balancer_entry));
    struct balancer_member *sorted = sort_members(spec);

    assert(spec->slots > 0 && spec->count <= UINT32_MAX);
    atomic_init(&balancer->refs, 1);
    balancer->algorithm = algorithms[spec->balancing];
    balancer->table = spec->table;
    balancer->upstream = spec->upstream;
    balancer->slots = spec->slots;
    balancer->threshold = spec->threshold;
    balancer->count = spec->count;
    for (size_t i = 0; i < spec->count; i++) {
        assert(sorted[i].weight <= BALANCER_MAX_WEIGHT);
        balancer->total_weight += sorted[i].weight;
        balancer->entries[i] = (struct balancer_entry){
            .peer = peer_get(spec->table, &spec->upstream, &sorted[i].address),
            .weight = sorted[i].weight,
            .target = sorted[i].target,
        };
    }
    free(sorted);
    if (balancer->algorithm->plan != NULL && balancer->total_weight > 0)
        balancer->plan = balancer->algorithm->plan(balancer, now_ms);
    return balancer;
}

struct balancer *balancer_ref(struct balancer *balancer)
{
    atomic_fetch_add_explicit(&balancer->refs, 1, memory_order_relaxed);
    return balancer;
}

void balancer_unref(struct balancer *balancer)
{
    /* Release: what this thread read was read before. Acquire: the last one sees that of all others. */
    if (balancer == NULL || atomic_fetch_sub_explicit(&balancer->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < balancer->count; i++)
        peer_unref(balancer->entries[i].peer);
    free(balancer->plan);
    free(balancer);
}

static bool is_entry_of(const struct balancer_entry *entry, const struct balancer_member *member)
{
    return entry->weight == member->weight && entry->target == member->target &&
           memcmp(&entry->peer->address, &member->address, sizeof(member->address)) == 0;
}

bool balancer_is_made_of(const struct balancer *balancer, const struct balancer_spec *spec)
{
    if (balancer->table != spec->table || !uuid_equal(&balancer->upstream, &spec->upstream) ||
        balancer->algorithm != algorithms[spec->balancing] || balancer->slots != spec->slots ||
        balancer->threshold != spec->threshold || balancer->count != spec->count)
        return false;
    struct balancer_member *sorted = sort_members(spec);
    size_t same = 0;
    while (same < spec->count && is_entry_of(&balancer->entries[same], &sorted[same]))
        same++;
    free(sorted);
    return same == spec->count;
}

const struct balancer_entry *balancer_entries(const struct balancer *balancer, size_t *count)
{
    *count = balancer->count;
    return balancer->entries;
}

/* ---- available ---- */

static bool is_usable(const struct balancer_entry *entry)
{
    return entry->weight > 0 && health_is_good(&entry->peer->health);
}

/* Strictly more than the threshold (data-plane reference, 7.4). */
static bool is_enough(const struct balancer *balancer, uint64_t available)
{
    return (double)available * 100 > balancer->threshold * (double)balancer->total_weight;
}

void balancer_availability(const struct balancer *balancer, struct balancer_availability *availability)
{
    *availability = (struct balancer_availability){.total = balancer->total_weight};
    for (size_t i = 0; i < balancer->count; i++)
        if (is_usable(&balancer->entries[i]))
            availability->available += balancer->entries[i].weight;
    availability->healthy = is_enough(balancer, availability->available);
}

static void look(struct balancer_cursor *cursor)
{
    const struct balancer *balancer = cursor->balancer;
    uint64_t available = 0;

    cursor->usable_count = 0;
    for (size_t i = 0; i < balancer->count; i++) {
        cursor->is_usable[i] = is_usable(&balancer->entries[i]);
        if (!cursor->is_usable[i])
            continue;
        cursor->usable[cursor->usable_count++] = (uint32_t)i;
        available += balancer->entries[i].weight;
    }
    cursor->healthy = is_enough(balancer, available);
    if (balancer->algorithm->refresh != NULL)
        balancer->algorithm->refresh(cursor);
}

/* ---- asked ---- */

struct balancer_cursor *cursor_new(struct balancer *balancer, struct random_sequence *random)
{
    struct balancer_cursor *cursor = mem_zalloc(sizeof(*cursor));

    cursor->balancer = balancer_ref(balancer);
    cursor->is_usable = mem_zalloc(balancer->count * sizeof(bool) + 1);
    cursor->usable = mem_zalloc(balancer->count * sizeof(uint32_t) + 1);
    if (balancer->algorithm->state != NULL)
        cursor->state = balancer->algorithm->state(cursor, random);
    return cursor;
}

void cursor_free(struct balancer_cursor *cursor)
{
    if (cursor == NULL)
        return;
    balancer_unref(cursor->balancer);
    free(cursor->is_usable);
    free(cursor->usable);
    free(cursor->state);
    free(cursor);
}

struct balancer *cursor_balancer(const struct balancer_cursor *cursor)
{
    return cursor->balancer;
}

enum balancer_answer balancer_pick(struct balancer_cursor *cursor, const struct balancer_query *query,
                                   const struct balancer_entry **entry)
{
    const struct balancer *balancer = cursor->balancer;
    uint64_t generation = peer_table_generation(balancer->table);

    if (balancer->total_weight == 0)
        return BALANCER_NO_TARGETS;
    if (!cursor->looked || cursor->generation != generation) {
        look(cursor);
        cursor->looked = true;
        cursor->generation = generation;
    }
    if (!cursor->healthy)
        return BALANCER_UNHEALTHY;
    size_t index = balancer->algorithm->pick(cursor, query);
    if (index == BALANCER_NONE)
        return BALANCER_ALL_TRIED;
    *entry = &balancer->entries[index];
    return BALANCER_CHOSEN;
}
