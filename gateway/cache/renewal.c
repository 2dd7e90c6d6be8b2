/*
 * renewal - an entry that was in use when an event named its key is not left to the next request: the reader
 * of the log has the changed row at hand, in the very snapshot that gave the event.
 *
 * What is put back goes through the same gate as every other answer. It counts as asked for when the batch
 * before ended, which is before its snapshot was taken; so a purge by hand since then makes it SUSPECT like
 * any load that was under way.
 */

#include <pthread.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/cache/inside.h"

static struct cache_renewal *renewal_of(struct cache *cache, const struct entry *entry)
{
    struct cache_renewal *renewal = mem_alloc(sizeof(*renewal) + entry->key_length);

    memcpy(renewal->key, entry->key, entry->key_length);
    renewal->ask = (struct cache_ask){
        .digest = entry->digest,
        .key = {renewal->key, entry->key_length},
        .value = {renewal->key + entry->value_at, entry->value_length},
        .type = entry->type,
        .lookup = entry->lookup,
    };
    renewal->generation = cache->renewal_generation;
    renewal->key_purges = cache->renewal_key_purges;
    renewal->epoch = atomic_load_explicit(&cache->epoch, memory_order_acquire);
    return renewal;
}

struct cache_renewal *cache_invalidate_used(struct cache *cache, const struct digest *key, uint64_t position)
{
    struct shard *shard = cache_shard(cache, key);
    struct cache_renewal *renewal = NULL;

    pthread_mutex_lock(&shard->mutex);
    const struct entry *entry = shard_find(shard, key);
    if (entry != NULL && entry->visited && entry->asof < position)
        renewal = renewal_of(cache, entry);
    pthread_mutex_unlock(&shard->mutex);
    cache_invalidate(cache, key, position);
    return renewal;
}

void cache_renew(struct cache *cache, const struct cache_renewal *renewal, const struct cache_answer *answer)
{
    const struct cache_value *value = answer->object != NULL ? cache_value_of(cache, answer) : NULL;
    struct arrival arrival = {
        .ask = &renewal->ask,
        .value = value,
        .bytes = answer->bytes,
        .asof = answer->position,
        .epoch = renewal->epoch,
        .generation = renewal->generation,
        .key_purges = renewal->key_purges,
        .wanted_twice = true, /* it was in use */
        .store = true,
    };

#ifdef MUTANT_RENEW_FRESH
    arrival.generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
    arrival.key_purges = atomic_load_explicit(&cache->key_purges, memory_order_acquire);
#endif
    (void)cache_arrive(cache, &arrival); /* refused: it is read when it is asked for */
    cache_value_unref(value);
}
