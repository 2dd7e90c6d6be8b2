#pragma once

/*
 * shard - a part of the cache under one mutex: hash table, two eviction queues (values and remembered
 * absences).
 *
 * Eviction is SIEVE: a hit marks an entry, a hand walks from old to new, clears marks and takes the first
 * entry without. No list is changed by a hit. Absences have a budget of their own, so random keys cannot push
 * out real entities.
 *
 * Stored answers (chain/answer_cache.h) lie in shards of their own; of an entry they use digest, key, value,
 * bytes, visited and fresh_until_us.
 *
 * Threads: everything here under the shard's mutex.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/digest.h"
#include "gateway/base/list.h"
#include "gateway/cache/cache.h"

struct cache_value {
    _Atomic uint32_t refs;
    void (*release)(void *object);
    void *object;
};

struct entry {
    struct entry *next; /* of the bucket */
    struct list queue;  /* newest first */
    struct digest digest;
    uint64_t asof;          /* position it was read at */
    uint64_t generation;    /* of the cache when its load began; older than the cache's: SUSPECT */
    int64_t fresh_until_us; /* 0: until invalidated */
    int64_t read_at_us;
    const struct cache_value *value; /* NULL: known not to exist */
    uint32_t bytes;
    uint32_t load_us;                            /* how long its load took */
    uint16_t key_length, value_at, value_length; /* cache_ask.value is part of the key */
    uint8_t type, lookup;
    bool visited, suspect;
    char key[];
};

struct queue {
    struct list entries;
    struct list *hand; /* NULL: starts at the oldest */
    size_t bytes, max_bytes;
    size_t count;
};

enum {
    ADMISSION_BITS = 2048
};

/* Keys that were missed and not found lately: an absence is remembered from its second miss on. */
struct admission {
    uint64_t now[ADMISSION_BITS / 64], before[ADMISSION_BITS / 64];
    int64_t began_us;
};

struct shard {
    pthread_mutex_t mutex;
    struct entry **buckets;
    size_t bucket_count; /* power of two */
    struct queue values, absences;
    struct admission admission;
};

void shard_init(struct shard *shard, size_t max_bytes);
void shard_fini(struct shard *shard);

struct entry *shard_find(const struct shard *shard, const struct digest *digest);
/* Takes it out and lets go of its value. */
void shard_drop(struct shard *shard, struct entry *entry);
void shard_drop_all(struct shard *shard);
/* Puts it in, in place of one with the same digest, and evicts what is too much. The shard owns it then. */
void shard_insert(struct shard *shard, struct entry *entry);
/* Another limit for values; evicts what is too much. */
void shard_limit_values(struct shard *shard, size_t max_bytes);
/* true: the key was missed within the last minute or two. Notes it otherwise. */
bool shard_admits_absence(struct shard *shard, const struct digest *digest, int64_t now_us);

const struct cache_value *cache_value_new(void *object, void (*release)(void *object));
const struct cache_value *cache_value_ref(const struct cache_value *value);
