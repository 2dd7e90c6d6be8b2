/*
 * cache - entries: look-up, arrival, invalidation, purge. Loads are in flight.c.
 *
 * The states of the reference (6.3) and how they are kept:
 *
 *     ABSENT   no entry, or one below the fence of its type or of everything
 *     FRESH    an entry of this generation, not suspect, whose time is not over
 *     STALE    its time is over
 *     SUSPECT  marked by a hint or a purge of its key, or of an older generation
 *
 * Only an event makes ABSENT, and that is final. STALE and SUSPECT are kept for the case that the database is
 * away.
 */

#include "gateway/cache/cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/cache/inside.h"

enum {
    HINT_REACH = 4096 /* a hint is believed so far ahead of what was applied */
};

/* splitmix64 of a counter: no lock, and the same seed gives the same sequence. */
double cache_chance(struct cache *cache)
{
    uint64_t z = atomic_fetch_add_explicit(&cache->dice, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return ((double)(z >> 11) + 1) / 9007199254740992.0;
}

static bool is_suspect(const struct cache *cache, const struct entry *entry)
{
#ifdef MUTANT_NO_GENERATION
    return entry->suspect;
#endif
    return entry->suspect ||
           entry->generation < atomic_load_explicit(&cache->generation, memory_order_acquire);
}

static bool is_absent(struct cache *cache, const struct entry *entry)
{
#ifdef MUTANT_NO_WIDE_FENCE
    return false;
#endif
    return entry->asof < fence_of_type(&cache->fences, entry->type);
}

static bool is_over(const struct entry *entry, int64_t now_us)
{
#ifdef MUTANT_TTL_IGNORED
    return false;
#endif
    return entry->fresh_until_us != 0 && now_us >= entry->fresh_until_us;
}

static bool is_fresh(struct cache *cache, const struct entry *entry, int64_t now_us)
{
    return !is_absent(cache, entry) && !is_suspect(cache, entry) && !is_over(entry, now_us);
}

/* Load again ahead of the end, the likelier the nearer, so that not all notice it at once (reference 6.5). */
static bool is_due(struct cache *cache, const struct entry *entry, int64_t now_us)
{
    int64_t left_us = entry->fresh_until_us - now_us;
    /* The dice have 53 bits, so -log of them stays below 37: far from the end nothing needs to be computed.
     */
    if (entry->fresh_until_us == 0 || left_us > 37 * (int64_t)entry->load_us)
        return false;
    return -(double)entry->load_us * log(cache_chance(cache)) >= (double)left_us;
}

enum cache_status cache_get(struct cache *cache, const struct cache_ask *ask,
                            const struct cache_value **value)
{
    struct shard *shard = cache_shard(cache, &ask->digest);
    enum cache_status status = CACHE_MISS;
    bool due = false;
    *value = NULL;
    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = shard_find(shard, &ask->digest);
    if (entry != NULL) {
        int64_t now_us = entry->fresh_until_us != 0 ? cache_now_us(cache) : 0;
        if (is_fresh(cache, entry, now_us)) {
            entry->visited = true;
            *value = cache_value_ref(entry->value);
            status = entry->value != NULL ? CACHE_HIT : CACHE_NEGATIVE;
            due = is_due(cache, entry, now_us);
        }
    }
    pthread_mutex_unlock(&shard->mutex);
    static const enum metric counted[] = {[CACHE_HIT] = METRIC_CACHE_HITS,
                                          [CACHE_NEGATIVE] = METRIC_CACHE_NEGATIVE_HITS,
                                          [CACHE_MISS] = METRIC_CACHE_MISSES};
    metrics_add(counted[status], 1);
    if (due)
        flight_refresh(cache, ask);
    return status;
}

/* Under the shard's mutex: a purge of a key raises the count before it looks for the entry. */
static bool was_purged_since(const struct cache *cache, const struct arrival *arrival)
{
#ifdef MUTANT_LATE_PURGE
    return false;
#endif
    return atomic_load_explicit(&cache->key_purges, memory_order_acquire) != arrival->key_purges;
}

static struct entry *entry_new(struct cache *cache, const struct arrival *arrival, int64_t now_us)
{
    const struct cache_ask *ask = arrival->ask;
    size_t size = sizeof(struct entry) + ask->key.len;
    struct entry *entry = mem_zalloc(size);
    int64_t ttl_ms = atomic_load_explicit(arrival->value != NULL ? &cache->ttl_ms : &cache->negative_ttl_ms,
                                          memory_order_relaxed);
    entry->digest = ask->digest;
    entry->asof = arrival->asof;
    entry->generation = arrival->generation;
    entry->suspect = arrival->suspect || was_purged_since(cache, arrival);
    /* A tenth of jitter: what was loaded together does not end together. */
    if (ttl_ms > 0)
        entry->fresh_until_us = now_us + (int64_t)((double)ttl_ms * 1000 * (0.9 + 0.1 * cache_chance(cache)));
    entry->read_at_us = now_us;
    entry->value = cache_value_ref(arrival->value);
    entry->bytes =
        (uint32_t)(size + (arrival->value != NULL ? sizeof(struct cache_value) + arrival->bytes : 0));
    entry->load_us = arrival->load_us > UINT32_MAX ? UINT32_MAX : (uint32_t)arrival->load_us;
    entry->key_length = (uint16_t)ask->key.len;
    entry->value_at = (uint16_t)(ask->value.at - ask->key.at);
    entry->value_length = (uint16_t)ask->value.len;
    entry->type = ask->type;
    entry->lookup = ask->lookup;
    memcpy(entry->key, ask->key.at, ask->key.len);
    return entry;
}

enum arrival_result cache_test_arrival(struct cache *cache, const struct arrival *arrival)
{
    struct fences *fences = &cache->fences;
    const struct digest *digest = &arrival->ask->digest;
#ifndef MUTANT_NO_FREEZE
    if (atomic_load_explicit(&cache->frozen, memory_order_acquire))
        return ARRIVAL_TOO_LATE;
#endif
#ifndef MUTANT_NO_EPOCH
    if (atomic_load_explicit(&cache->epoch, memory_order_acquire) != arrival->epoch)
        return ARRIVAL_TOO_LATE;
#endif
    uint64_t needed = fence_of_key(fences, digest, arrival->ask->type);
#if defined(MUTANT_NO_FENCE)
    needed = 0;
#elif defined(MUTANT_FENCE_OFF_BY_ONE)
    needed -= needed > 0;
#elif defined(MUTANT_NEGATIVE_WITHOUT_FENCE)
    needed = arrival->value != NULL ? needed : 0;
#endif
    if (arrival->asof < needed)
        return arrival->from_replica ? ARRIVAL_BEHIND_GATE : ARRIVAL_BEHIND_FENCE;
#ifdef MUTANT_HINT_BINDS_PRIMARY
    bool bound_by_hints = true;
#else
    bool bound_by_hints = arrival->from_replica;
#endif
    if (bound_by_hints &&
        arrival->asof < atomic_load_explicit(&fences->hinted[fence_slot(digest)], memory_order_acquire))
        return ARRIVAL_BEHIND_GATE;
    return ARRIVAL_TAKEN;
}

enum arrival_result cache_arrive(struct cache *cache, const struct arrival *arrival)
{
    const struct digest *digest = &arrival->ask->digest;
    struct shard *shard = cache_shard(cache, digest);
    int64_t now_us = cache_now_us(cache);
    pthread_mutex_lock(&shard->mutex);
    enum arrival_result result = cache_test_arrival(cache, arrival);
    const struct entry *old = shard_find(shard, digest);
#ifdef MUTANT_OLD_REPLACES_NEW
    bool replaces = true;
#else
    bool replaces = old == NULL || old->asof <= arrival->asof;
#endif
    bool admitted = arrival->value != NULL || old != NULL || arrival->wanted_twice ||
                    shard_admits_absence(shard, digest, now_us);
    if (result == ARRIVAL_TAKEN && arrival->store && replaces && admitted)
        shard_insert(shard, entry_new(cache, arrival, now_us));
    pthread_mutex_unlock(&shard->mutex);
    return result;
}

enum cache_status cache_resurrect(struct cache *cache, const struct digest *digest,
                                  const struct cache_value **value)
{
    struct shard *shard = cache_shard(cache, digest);
    int64_t resurrect_ms = atomic_load_explicit(&cache->resurrect_ms, memory_order_relaxed);
    int64_t now_us = cache_now_us(cache);
    enum cache_status status = CACHE_FAILED;
    *value = NULL;
    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = shard_find(shard, digest);
    bool fresh = entry != NULL && is_fresh(cache, entry, now_us); /* loaded by somebody else meanwhile */
    if (entry != NULL && !fresh && !is_absent(cache, entry) && resurrect_ms > 0) {
        entry->suspect = false;
        entry->generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
        entry->fresh_until_us = now_us + resurrect_ms * 1000;
        fresh = true;
        metrics_add(METRIC_STALE_SERVED, 1);
    }
    if (fresh) {
        *value = cache_value_ref(entry->value);
        status = entry->value != NULL ? CACHE_HIT : CACHE_NEGATIVE;
    }
    pthread_mutex_unlock(&shard->mutex);
    return status;
}

/*
 * Delay gate: from now on loads of this slot (or of all) avoid the replica for D. Always before the fence is
 * raised: flight_new() reads the fence first, so a load that counts as new as this fence also avoids the
 * replica.
 */
static void avoid_replica(struct cache *cache, unsigned slot)
{
#ifdef MUTANT_NO_DELAY
    return;
#endif
    if (cache->fences.replica_after != NULL)
        atomic_store_explicit(&cache->fences.replica_after[slot],
                              cache_now_us(cache) +
                                  atomic_load_explicit(&cache->propagation_ms, memory_order_relaxed) * 1000,
                              memory_order_release);
}

static void drop_older(struct cache *cache, const struct digest *key, uint64_t position)
{
    struct shard *shard = cache_shard(cache, key);
    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = shard_find(shard, key);
    if (entry != NULL && entry->asof < position)
        shard_drop(shard, entry);
    pthread_mutex_unlock(&shard->mutex);
}

void cache_invalidate(struct cache *cache, const struct digest *key, uint64_t position)
{
    avoid_replica(cache, fence_slot(key));
#ifdef MUTANT_PURGE_FIRST
    drop_older(cache, key, position);
    fence_raise(&cache->fences.slots[fence_slot(key)], position);
#else
    fence_raise(&cache->fences.slots[fence_slot(key)], position);
    drop_older(cache, key, position);
#endif
}

void cache_invalidate_type(struct cache *cache, uint8_t type, uint64_t position)
{
    avoid_replica(cache, FENCE_SLOTS);
    fence_raise(&cache->fences.types[type], position);
}

void cache_invalidate_all(struct cache *cache, uint64_t position)
{
    avoid_replica(cache, FENCE_SLOTS);
    fence_raise(&cache->fences.all, position);
}

void cache_suspect(struct cache *cache, const struct digest *key, uint64_t position, uint64_t applied)
{
    uint64_t believed = position < applied + HINT_REACH ? position : applied + HINT_REACH;
    struct shard *shard = cache_shard(cache, key);
    fence_raise(&cache->fences.hinted[fence_slot(key)], believed);
    /* After the raise: cache_clear_suspicions() may then clear once too often, never once too seldom. */
    atomic_store_explicit(&cache->fences.any_hinted, true, memory_order_release);
    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = shard_find(shard, key);
    if (entry != NULL && entry->asof < position)
        entry->suspect = true;
    pthread_mutex_unlock(&shard->mutex);
}

void cache_clear_suspicions(struct cache *cache)
{
    cache->renewal_generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
    cache->renewal_key_purges = atomic_load_explicit(&cache->key_purges, memory_order_acquire);
    if (!atomic_exchange_explicit(&cache->fences.any_hinted, false, memory_order_acq_rel))
        return;
    for (size_t i = 0; i < FENCE_SLOTS; i++)
        atomic_store_explicit(&cache->fences.hinted[i], 0, memory_order_release);
}

void cache_freeze(struct cache *cache)
{
    atomic_store_explicit(&cache->frozen, true, memory_order_release);
    atomic_fetch_add_explicit(&cache->epoch, 1, memory_order_acq_rel);
}

void cache_restart(struct cache *cache, uint64_t head)
{
    struct fences *fences = &cache->fences;
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
#ifdef MUTANT_RESTART_KEEPS
        break;
#endif
        pthread_mutex_lock(&cache->shards[i].mutex);
        shard_drop_all(&cache->shards[i]);
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
    avoid_replica(cache, FENCE_SLOTS);
    /* Positions of another history mean nothing in this one: the one fence over everything takes their place.
     */
#ifdef MUTANT_NO_BASE
    head = 0;
#endif
    atomic_store_explicit(&fences->all, head, memory_order_release);
    for (size_t i = 0; i < FENCE_SLOTS; i++) {
        atomic_store_explicit(&fences->slots[i], 0, memory_order_release);
        atomic_store_explicit(&fences->hinted[i], 0, memory_order_release);
    }
    for (size_t i = 0; i < FENCE_TYPES; i++)
        atomic_store_explicit(&fences->types[i], 0, memory_order_release);
#ifndef MUTANT_EPOCH_ONCE
    /* Once more: what was asked for while frozen may have looked at fences that were about to go. */
    atomic_fetch_add_explicit(&cache->epoch, 1, memory_order_acq_rel);
#endif
    atomic_store_explicit(&cache->frozen, false, memory_order_release);
}

void cache_purge(struct cache *cache)
{
    atomic_fetch_add_explicit(&cache->generation, 1, memory_order_acq_rel);
}

void cache_purge_key(struct cache *cache, const struct digest *key)
{
    struct shard *shard = cache_shard(cache, key);
    flights_outdate(cache, key);
    atomic_fetch_add_explicit(&cache->key_purges, 1, memory_order_acq_rel);
    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = shard_find(shard, key);
    if (entry != NULL)
        entry->suspect = true;
    pthread_mutex_unlock(&shard->mutex);
}

static bool describe(struct cache *cache, const struct entry *entry, struct cache_entry_info *info)
{
    int64_t now_us = cache_now_us(cache);
    if (is_absent(cache, entry) || is_suspect(cache, entry))
        return false;
    int64_t left_ms = (entry->fresh_until_us - now_us) / 1000;
    *info = (struct cache_entry_info){
        .key = {entry->key, entry->key_length},
        .negative = entry->value == NULL,
        .position = entry->asof,
        .age_ms = (now_us - entry->read_at_us) / 1000,
        .expires_in_ms = entry->fresh_until_us == 0 ? 0
                         : left_ms > 1              ? left_ms
                                                    : 1,
        .object = entry->value != NULL ? entry->value->object : NULL,
    };
    return true;
}

bool cache_peek(struct cache *cache, const struct digest *key,
                void (*show)(void *arg, const struct cache_entry_info *info), void *arg)
{
    struct shard *shard = cache_shard(cache, key);
    struct cache_entry_info info;
    pthread_mutex_lock(&shard->mutex);
    const struct entry *entry = shard_find(shard, key);
    bool found = entry != NULL && describe(cache, entry, &info);
    if (found)
        show(arg, &info);
    pthread_mutex_unlock(&shard->mutex);
    return found;
}

static void show_queue(struct cache *cache, const struct queue *queue, struct str prefix,
                       void (*show)(void *arg, const struct cache_entry_info *info), void *arg)
{
    list_each (at, &queue->entries) {
        const struct entry *entry = CONTAINER_OF(at, struct entry, queue);
        struct cache_entry_info info;
        if (str_starts_with((struct str){entry->key, entry->key_length}, prefix) &&
            describe(cache, entry, &info))
            show(arg, &info);
    }
}

void cache_each(struct cache *cache, struct str prefix,
                void (*show)(void *arg, const struct cache_entry_info *info), void *arg)
{
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        show_queue(cache, &shard->values, prefix, show, arg);
        show_queue(cache, &shard->absences, prefix, show, arg);
        pthread_mutex_unlock(&shard->mutex);
    }
}

void cache_read_stats(struct cache *cache, struct cache_stats *stats)
{
    *stats = (struct cache_stats){0};
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        stats->entries += shard->values.count;
        stats->negatives += shard->absences.count;
        stats->bytes += shard->values.bytes + shard->absences.bytes;
        stats->capacity_bytes += shard->values.max_bytes + shard->absences.max_bytes;
        pthread_mutex_unlock(&shard->mutex);
    }
    pthread_mutex_lock(&cache->flights.mutex);
    stats->flights = cache->flights.count;
    stats->queued = (uint64_t)cache->flights.queued;
    pthread_mutex_unlock(&cache->flights.mutex);
}

void cache_reload(struct cache *cache, const struct cache_options *options)
{
    atomic_store_explicit(&cache->ttl_ms, options->ttl_ms, memory_order_relaxed);
    atomic_store_explicit(&cache->negative_ttl_ms, options->negative_ttl_ms, memory_order_relaxed);
    atomic_store_explicit(&cache->resurrect_ms, options->resurrect_ms, memory_order_relaxed);
    atomic_store_explicit(&cache->propagation_ms, options->propagation_ms, memory_order_relaxed);
}

void cache_open(const struct cache_options *options, struct cache **result)
{
    struct cache *cache = mem_zalloc(sizeof(*cache));
    cache->options = *options;
    cache_reload(cache, options);
    atomic_store_explicit(&cache->dice, options->seed, memory_order_relaxed);
    if (options->delay_gate)
        cache->fences.replica_after = mem_zalloc((FENCE_SLOTS + 1) * sizeof(*cache->fences.replica_after));
    for (size_t i = 0; i < CACHE_SHARDS; i++)
        shard_init(&cache->shards[i], options->max_bytes / CACHE_SHARDS);
    flights_init(&cache->flights);
    *result = cache;
}

void cache_close(struct cache *cache)
{
    flights_fini(&cache->flights);
    for (size_t i = 0; i < CACHE_SHARDS; i++)
        shard_fini(&cache->shards[i]);
    free(cache->fences.replica_after);
    free(cache);
}
