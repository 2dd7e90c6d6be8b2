/*
 * window_counters - see window_counters.h.
 *
 * A bucket has eight places, found by the key's digest, whose other half is the tag. A place is made under
 * the lock of its bucket's stripe and found without: its tag is written last. Who still counts in a place
 * that is given to another counts for that one: windows are kept a while beyond their end, so this takes a
 * thread that slept through it.
 */

#include "gateway/chain/window_counters.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum {
    BUCKET_PLACES = 8,
    STRIPE_COUNT = 64,
    GRACE_MS = 2000
};

struct window_counter {
    _Atomic uint64_t tag; /* 0: free */
    _Atomic uint64_t count;
    int64_t ends_ms; /* under the stripe's lock */
    int64_t unused;  /* two to a cache line */
};

struct window_counters {
    pthread_mutex_t stripes[STRIPE_COUNT];
    size_t bucket_mask;
    struct window_counter *places;
};

struct window_counters *window_counters_new(size_t count)
{
    struct window_counters *counters = mem_zalloc(sizeof(*counters));

    assert(count >= STRIPE_COUNT && (count & (count - 1)) == 0);
    counters->bucket_mask = count / BUCKET_PLACES - 1;
    counters->places = mem_zalloc(count * sizeof(*counters->places));
    for (size_t i = 0; i < STRIPE_COUNT; i++)
        pthread_mutex_init(&counters->stripes[i], NULL);
    return counters;
}

void window_counters_free(struct window_counters *counters)
{
    if (counters == NULL)
        return;
    for (size_t i = 0; i < STRIPE_COUNT; i++)
        pthread_mutex_destroy(&counters->stripes[i]);
    free(counters->places);
    free(counters);
}

static struct window_counter *find(struct window_counter *bucket, uint64_t tag)
{
    for (size_t i = 0; i < BUCKET_PLACES; i++)
        /* Acquire, pairs with the release in make(): the count of the new window is seen. */
        if (atomic_load_explicit(&bucket[i].tag, memory_order_acquire) == tag)
            return &bucket[i];
    return NULL;
}

/* Under the stripe's lock: a free place, or the one whose window ends first. */
static struct window_counter *make(struct window_counter *bucket, uint64_t tag, int64_t ends_ms,
                                   int64_t now_ms)
{
    struct window_counter *place = &bucket[0];

    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        bool is_free = atomic_load_explicit(&bucket[i].tag, memory_order_relaxed) == 0 ||
                       bucket[i].ends_ms + GRACE_MS < now_ms;
        if (is_free) {
            place = &bucket[i];
            break;
        }
        if (bucket[i].ends_ms < place->ends_ms)
            place = &bucket[i];
    }
    atomic_store_explicit(&place->tag, 0, memory_order_relaxed);
    place->ends_ms = ends_ms;
    atomic_store_explicit(&place->count, 0, memory_order_relaxed);
    atomic_store_explicit(&place->tag, tag, memory_order_release); /* pairs with the acquire in find() */
    return place;
}

struct window_counter *window_counters_get(struct window_counters *counters, const struct digest *key,
                                           int64_t ends_ms, int64_t now_ms)
{
    uint64_t tag;
    size_t number = digest_hash(key) & counters->bucket_mask;
    struct window_counter *bucket = &counters->places[number * BUCKET_PLACES];
    pthread_mutex_t *stripe = &counters->stripes[number % STRIPE_COUNT];

    memcpy(&tag, key->bytes + sizeof(tag), sizeof(tag));
    tag |= tag == 0 ? 1 : 0;
    struct window_counter *found = find(bucket, tag);
    if (found != NULL)
        return found;
    pthread_mutex_lock(stripe);
    found = find(bucket, tag);
    if (found == NULL)
        found = make(bucket, tag, ends_ms, now_ms);
    pthread_mutex_unlock(stripe);
    return found;
}

uint64_t window_counter_read(const struct window_counter *counter)
{
    return atomic_load_explicit(&counter->count, memory_order_relaxed);
}

bool window_counter_take(struct window_counter *counter, uint64_t limit, uint64_t *used)
{
    uint64_t count = atomic_load_explicit(&counter->count, memory_order_relaxed);

    do {
        *used = count;
        if (count >= limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&counter->count, &count, count + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    *used = count + 1;
    return true;
}

void window_counter_give_back(struct window_counter *counter)
{
    uint64_t count = atomic_load_explicit(&counter->count, memory_order_relaxed);

    /* A place may have been given to another window meanwhile. */
    while (count > 0 && !atomic_compare_exchange_weak_explicit(&counter->count, &count, count - 1,
                                                               memory_order_relaxed, memory_order_relaxed))
        continue;
}

void window_counter_add(struct window_counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->count, amount, memory_order_relaxed);
}
