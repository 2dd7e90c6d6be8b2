#pragma once

/*
 * inside - the cache itself, as cache.c (entries) and flight.c (loads) see it.
 *
 * Threads: any; see the members.
 */

#include <stdatomic.h>

#include "gateway/cache/cache.h"
#include "gateway/cache/fence.h"
#include "gateway/cache/flight.h"
#include "gateway/cache/shard.h"

enum {
    CACHE_SHARDS = 64
};

struct cache {
    struct cache_options options; /* immutable but for the four below */
    _Atomic int64_t ttl_ms, negative_ttl_ms, resurrect_ms, propagation_ms;
    struct fences fences;
    _Atomic uint64_t generation; /* raised by cache_purge() */
    _Atomic uint64_t
        key_purges; /* raised by cache_purge_key(): what was on its way in meanwhile is SUSPECT */
    _Atomic uint64_t
        epoch; /* raised by cache_freeze() and cache_restart(): answers judged before are refused after */
    /* thread: bus. Purges until the last batch ended: all that are surely older than the view of the next
     * one. */
    uint64_t renewal_generation, renewal_key_purges;
    _Atomic bool frozen;
    _Atomic uint64_t dice; /* jitter: a counter, hashed */
    struct shard shards[CACHE_SHARDS];
    struct flights flights;
};

static inline struct shard *cache_shard(struct cache *cache, const struct digest *digest)
{
    return &cache->shards[digest->bytes[15] % CACHE_SHARDS];
}

static inline int64_t cache_now_us(const struct cache *cache)
{
    return clock_now_us(cache->options.clock);
}

/* Uniform in (0, 1]. */
double cache_chance(struct cache *cache);

/* Takes over the object of an answer that has one. */
static inline const struct cache_value *cache_value_of(const struct cache *cache,
                                                       const struct cache_answer *answer)
{
    return cache_value_new(answer->object,
                           answer->release != NULL ? answer->release : cache->options.release);
}

/* A judged answer on its way in. */
struct arrival {
    const struct cache_ask *ask;
    const struct cache_value *value; /* NULL: absent; a reference of the caller's, who keeps it */
    size_t bytes;
    uint64_t asof;
    uint64_t epoch; /* when it was judged; under the delay gate, when it was asked for */
    uint64_t generation;
    bool suspect;        /* purged while it was under way */
    uint64_t key_purges; /* as of when that was looked at */
    bool from_replica;   /* by position: soft fences bind it */
    bool wanted_twice;   /* an absence that several waited for */
    bool store;          /* false: may be handed out, not kept */
    int64_t load_us;
};
enum arrival_result {
    ARRIVAL_TAKEN,
    ARRIVAL_BEHIND_FENCE,
    ARRIVAL_BEHIND_GATE,
    ARRIVAL_TOO_LATE
};
/* Is it new enough to be kept or handed out, as of now? What an event raised before is seen (acquire). */
enum arrival_result cache_test_arrival(struct cache *cache, const struct arrival *arrival);
/* Tests and inserts, in one critical section of the shard. */
enum arrival_result cache_arrive(struct cache *cache, const struct arrival *arrival);
/*
 * The database cannot answer: what is there, though STALE or SUSPECT, serves again for a while. HIT with a
 * reference in *value, NEGATIVE, or FAILED.
 */
enum cache_status cache_resurrect(struct cache *cache, const struct digest *digest,
                                  const struct cache_value **value);
