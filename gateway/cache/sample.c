/* sample - an entry drawn at random, for who wants to compare it with the database. */

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/cache/inside.h"

enum {
    BUCKETS_TRIED = 64 /* of a shard: most are full */
};

static struct cache_sample *sample_of(const struct entry *entry)
{
    struct cache_sample *sample = mem_alloc(sizeof(*sample) + entry->key_length);

    memcpy(sample->key, entry->key, entry->key_length);
    sample->ask = (struct cache_ask){
        .digest = entry->digest,
        .key = {sample->key, entry->key_length},
        .value = {sample->key + entry->value_at, entry->value_length},
        .type = entry->type,
        .lookup = entry->lookup,
    };
    sample->asof = entry->asof;
    sample->value = cache_value_ref(entry->value);
    return sample;
}

struct cache_sample *cache_sample(struct cache *cache, uint64_t dice)
{
    struct shard *shard = &cache->shards[dice % CACHE_SHARDS];
    uint64_t generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
    struct cache_sample *sample = NULL;

    dice /= CACHE_SHARDS;
    pthread_mutex_lock(&shard->mutex);
    for (size_t i = 0; i < BUCKETS_TRIED && sample == NULL; i++) {
        const struct entry *entry = shard->buckets[(dice + i) & (shard->bucket_count - 1)];
        if (entry != NULL && !entry->suspect && entry->generation == generation)
            sample = sample_of(entry);
    }
    pthread_mutex_unlock(&shard->mutex);
    return sample;
}

void cache_sample_free(struct cache_sample *sample)
{
    if (sample == NULL)
        return;
    cache_value_unref(sample->value);
    free(sample);
}
