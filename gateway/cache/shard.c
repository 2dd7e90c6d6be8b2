/*
 * shard - table and eviction. Sizes follow what is in it: an empty cache costs next to nothing whatever its
 * limit is.
 */

#include "gateway/cache/shard.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

enum {
    FIRST_BUCKETS = 16,
    ABSENCE_SHARE = 10 /* per cent */
};

static const int64_t admission_period_us = 60 * INT64_C(1000000);

const void *cache_value_object(const struct cache_value *value)
{
    return value->object;
}

const struct cache_value *cache_value_new(void *object, void (*release)(void *object))
{
    struct cache_value *value = mem_alloc(sizeof(*value));
    atomic_init(&value->refs, 1);
    value->release = release;
    value->object = object;
    return value;
}

/* Values are handed out as const; the count is the cache's own. */
static struct cache_value *counted(const struct cache_value *value)
{
    return (struct cache_value *)(uintptr_t)value;
}

const struct cache_value *cache_value_ref(const struct cache_value *value)
{
    if (value != NULL)
        atomic_fetch_add_explicit(&counted(value)->refs, 1, memory_order_relaxed);
    return value;
}

void cache_value_unref(const struct cache_value *value)
{
    if (value == NULL || atomic_fetch_sub_explicit(&counted(value)->refs, 1, memory_order_acq_rel) != 1)
        return;
    value->release(value->object);
    free(counted(value));
}

static void queue_init(struct queue *queue, size_t max_bytes)
{
    *queue = (struct queue){.max_bytes = max_bytes};
    list_init(&queue->entries);
}

void shard_init(struct shard *shard, size_t max_bytes)
{
    memset(shard, 0, sizeof(*shard));
    pthread_mutex_init(&shard->mutex, NULL);
    shard->bucket_count = FIRST_BUCKETS;
    shard->buckets = mem_zalloc(FIRST_BUCKETS * sizeof(struct entry *));
    queue_init(&shard->values, max_bytes / 100 * (100 - ABSENCE_SHARE));
    queue_init(&shard->absences, max_bytes / 100 * ABSENCE_SHARE);
}

void shard_fini(struct shard *shard)
{
    shard_drop_all(shard);
    free(shard->buckets);
    pthread_mutex_destroy(&shard->mutex);
}

static struct entry **bucket_of(const struct shard *shard, const struct digest *digest)
{
    return &shard->buckets[digest_hash(digest) & (shard->bucket_count - 1)];
}

static struct queue *queue_of(struct shard *shard, const struct entry *entry)
{
    return entry->value != NULL ? &shard->values : &shard->absences;
}

struct entry *shard_find(const struct shard *shard, const struct digest *digest)
{
    struct entry *entry = *bucket_of(shard, digest);
    while (entry != NULL && !digest_equal(&entry->digest, digest))
        entry = entry->next;
    return entry;
}

void shard_drop(struct shard *shard, struct entry *entry)
{
    struct queue *queue = queue_of(shard, entry);
    struct entry **link = bucket_of(shard, &entry->digest);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    if (queue->hand == &entry->queue)
        queue->hand = entry->queue.previous != &queue->entries ? entry->queue.previous : NULL;
    list_remove(&entry->queue);
    queue->bytes -= entry->bytes;
    queue->count--;
    cache_value_unref(entry->value);
    free(entry);
}

static void drop_queue(struct shard *shard, struct queue *queue)
{
    while (!list_is_empty(&queue->entries))
        shard_drop(shard, CONTAINER_OF(queue->entries.next, struct entry, queue));
}

void shard_drop_all(struct shard *shard)
{
    drop_queue(shard, &shard->values);
    drop_queue(shard, &shard->absences);
}

static void grow(struct shard *shard)
{
    struct entry **old = shard->buckets;
    size_t count = shard->bucket_count;
    shard->bucket_count = count * 2;
    shard->buckets = mem_zalloc(shard->bucket_count * sizeof(struct entry *));
    for (size_t i = 0; i < count; i++) {
        for (struct entry *entry = old[i], *next; entry != NULL; entry = next) {
            struct entry **bucket = bucket_of(shard, &entry->digest);
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
}

/* One step of the hand; `keep` is never taken. */
static void evict_one(struct shard *shard, struct queue *queue, const struct entry *keep)
{
    for (;;) {
        struct list *at = queue->hand != NULL ? queue->hand : queue->entries.previous;
        struct entry *entry = CONTAINER_OF(at, struct entry, queue);
        queue->hand = at->previous != &queue->entries ? at->previous : NULL;
        if (entry == keep)
            continue;
        if (!entry->visited) {
            shard_drop(shard, entry);
            metrics_add(METRIC_CACHE_EVICTIONS, 1);
            return;
        }
        entry->visited = false;
    }
}

void shard_insert(struct shard *shard, struct entry *entry)
{
    struct entry *old = shard_find(shard, &entry->digest);
    if (old != NULL)
        shard_drop(shard, old);
    if (shard->values.count + shard->absences.count >= shard->bucket_count)
        grow(shard);
    struct queue *queue = queue_of(shard, entry);
    struct entry **bucket = bucket_of(shard, &entry->digest);
    entry->next = *bucket;
    *bucket = entry;
    list_add_first(&queue->entries, &entry->queue);
    queue->bytes += entry->bytes;
    queue->count++;
    while (queue->bytes > queue->max_bytes && queue->count > 1)
        evict_one(shard, queue, entry);
}

void shard_limit_values(struct shard *shard, size_t max_bytes)
{
    shard->values.max_bytes = max_bytes;
    while (shard->values.bytes > max_bytes)
        evict_one(shard, &shard->values, /* keep= */ NULL);
}

bool shard_admits_absence(struct shard *shard, const struct digest *digest, int64_t now_us)
{
    struct admission *admission = &shard->admission;
    if (now_us - admission->began_us > admission_period_us) {
        bool recent = now_us - admission->began_us < 2 * admission_period_us;
        for (size_t i = 0; i < COUNT(admission->now); i++)
            admission->before[i] = recent ? admission->now[i] : 0;
        memset(admission->now, 0, sizeof(admission->now));
        admission->began_us = now_us;
    }
    bool known = true;
    for (size_t i = 0; i < 2; i++) {
        unsigned bit = ((unsigned)digest->bytes[8 + 2 * i] << 8 | digest->bytes[9 + 2 * i]) % ADMISSION_BITS;
        uint64_t mask = UINT64_C(1) << bit % 64;
        known = known && ((admission->now[bit / 64] | admission->before[bit / 64]) & mask) != 0;
        admission->now[bit / 64] |= mask;
    }
    return known;
}
