/*
 * synced_counters - see synced_counters.h. A hash table in parts, each with a lock of its own.
 */

#include "gateway/chain/synced_counters.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum {
    PARTS = 64,
    BUCKETS = 256 /* of a part */
};

struct window {
    struct window *next; /* in its bucket */
    struct digest key;
    int64_t known, told, untold; /* untold < 0: told, and taken back since */
    int64_t news_ms;             /* monotonic; only if has_news */
    bool has_news;
    bool was_needed; /* since it was last told of */
};

struct part {
    pthread_mutex_t lock;
    struct window *buckets[BUCKETS]; /* thread: any, under lock */
};

struct synced_counters {
    size_t most;
    atomic_size_t count;
    struct part parts[PARTS];
};

struct synced_counters *synced_counters_new(size_t most)
{
    struct synced_counters *counters = mem_zalloc(sizeof(*counters));

    counters->most = most;
    for (size_t i = 0; i < PARTS; i++)
        (void)pthread_mutex_init(&counters->parts[i].lock, NULL);
    return counters;
}

void synced_counters_free(struct synced_counters *counters)
{
    if (counters == NULL)
        return;
    for (size_t i = 0; i < PARTS; i++) {
        for (size_t k = 0; k < BUCKETS; k++)
            while (counters->parts[i].buckets[k] != NULL) {
                struct window *window = counters->parts[i].buckets[k];
                counters->parts[i].buckets[k] = window->next;
                free(window);
            }
        (void)pthread_mutex_destroy(&counters->parts[i].lock);
    }
    free(counters);
}

static struct part *lock_part(struct synced_counters *counters, const struct digest *key)
{
    struct part *part = &counters->parts[digest_hash(key) % PARTS];

    pthread_mutex_lock(&part->lock);
    return part;
}

static void unlock_part(struct part *part)
{
    pthread_mutex_unlock(&part->lock);
}

/* Where the window is, or would be: points at NULL then. */
static struct window **place_of(struct part *part, const struct digest *key)
{
    struct window **at = &part->buckets[digest_hash(key) / PARTS % BUCKETS];

    while (*at != NULL && !digest_equal(&(*at)->key, key))
        at = &(*at)->next;
    return at;
}

/* Others only add, so less than we have heard already is old news, or a Redis that has forgotten. */
static void hear(struct window *window, int64_t value, int64_t now_ms)
{
    if (value > window->known)
        window->known = value;
    window->has_news = true;
    window->news_ms = now_ms;
}

static enum synced_answer take(struct window *window, uint64_t limit, int64_t now_ms, int64_t fresh_ms,
                               uint64_t *used)
{
    int64_t count = window->known + window->told + window->untold;

    window->was_needed = true;
    if (!window->has_news || now_ms - window->news_ms > fresh_ms)
        return SYNCED_STALE;
    *used = count > 0 ? (uint64_t)count : 0;
    if (*used >= limit)
        return SYNCED_OVER;
    window->untold++;
    return SYNCED_TAKEN;
}

enum synced_answer synced_take(struct synced_counters *counters, const struct digest *key, uint64_t limit,
                               int64_t now_ms, int64_t fresh_ms, uint64_t *used)
{
    struct part *part = lock_part(counters, key);
    struct window *window = *place_of(part, key);
    enum synced_answer answer = window != NULL ? take(window, limit, now_ms, fresh_ms, used) : SYNCED_ABSENT;

    unlock_part(part);
    return answer;
}

static void change(struct synced_counters *counters, const struct digest *key, int64_t by)
{
    struct part *part = lock_part(counters, key);
    struct window *window = *place_of(part, key);

    if (window != NULL) {
        window->untold += by;
        window->was_needed = true;
    }
    unlock_part(part);
}

void synced_give_back(struct synced_counters *counters, const struct digest *key)
{
    change(counters, key, -1);
}

void synced_add(struct synced_counters *counters, const struct digest *key)
{
    change(counters, key, 1);
}

void synced_learn(struct synced_counters *counters, const struct digest *key, int64_t value, int64_t now_ms)
{
    struct part *part = lock_part(counters, key);
    struct window *window = *place_of(part, key);

    /* What is on its way may have arrived before it was read, or not: the answer to it will tell. */
    if (window != NULL)
        hear(window, value - window->told, now_ms);
    unlock_part(part);
}

/* ---- for who tells of a window ---- */

enum synced_made synced_make(struct synced_counters *counters, const struct digest *key)
{
    struct window *made = mem_zalloc(sizeof(*made));
    struct part *part = lock_part(counters, key);
    struct window **at = place_of(part, key);
    enum synced_made answer = *at != NULL ? SYNCED_THERE : SYNCED_MADE;

    /* Counters of their own: nothing else is read after them, so relaxed order will do. */
    if (answer == SYNCED_MADE &&
        atomic_fetch_add_explicit(&counters->count, 1, memory_order_relaxed) >= counters->most) {
        atomic_fetch_sub_explicit(&counters->count, 1, memory_order_relaxed);
        answer = SYNCED_FULL;
    }
    if (answer == SYNCED_MADE) {
        made->key = *key;
        made->was_needed = true;
        *at = made;
    }
    unlock_part(part);
    if (answer != SYNCED_MADE)
        free(made);
    return answer;
}

void synced_remove(struct synced_counters *counters, const struct digest *key)
{
    struct part *part = lock_part(counters, key);
    struct window **at = place_of(part, key);
    struct window *window = *at;

    assert(window != NULL);
    *at = window->next;
    unlock_part(part);
    atomic_fetch_sub_explicit(&counters->count, 1, memory_order_relaxed);
    free(window);
}

bool synced_tell(struct synced_counters *counters, const struct digest *key, int64_t *amount)
{
    struct part *part = lock_part(counters, key);
    struct window *window = *place_of(part, key);
    bool is_wanted = window->was_needed || window->untold != 0;

    *amount = window->untold;
    window->told += window->untold;
    window->untold = 0;
    window->was_needed = false;
    unlock_part(part);
    return is_wanted;
}

/* What has been told is not on its way any more: it is `known`, or to be told again. */
static void arrive(struct synced_counters *counters, const struct digest *key, int64_t amount, int64_t untold)
{
    struct part *part = lock_part(counters, key);
    struct window *window = *place_of(part, key);

    window->told -= amount;
    window->known += amount - untold;
    window->untold += untold;
    unlock_part(part);
}

void synced_told(struct synced_counters *counters, const struct digest *key, int64_t amount, int64_t value,
                 int64_t now_ms)
{
    struct part *part = lock_part(counters, key);
    struct window *window = *place_of(part, key);

    window->told -= amount;
    window->known += amount;
    hear(window, value, now_ms);
    unlock_part(part);
}

void synced_lost(struct synced_counters *counters, const struct digest *key, int64_t amount)
{
    arrive(counters, key, amount, /* untold= */ 0);
}

void synced_unsaid(struct synced_counters *counters, const struct digest *key, int64_t amount)
{
    arrive(counters, key, amount, /* untold= */ amount);
}
