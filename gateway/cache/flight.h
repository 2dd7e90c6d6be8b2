#pragma once

/*
 * flight - loads under way: one per key however many wait, so many at once and no more, the others in a
 * queue.
 *
 * All of it is under one mutex, which only misses take. Lock order: flights' mutex before a shard's.
 * Callbacks (load, judge, on_done) run with no lock held.
 *
 * Threads: any.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/digest.h"
#include "gateway/base/list.h"
#include "gateway/cache/cache.h"

enum {
    FLIGHT_BUCKETS = 256
};

/* Where a flight stands. */
enum flight_state {
    FLIGHT_QUEUED,  /* in flights.queue */
    FLIGHT_RUNNING, /* load() was called; cache_fill_done() will come */
    FLIGHT_RESTING, /* its answer was refused; cache_tick() sends it off again */
};

struct cache_flight {
    struct cache_flight *next; /* of the bucket */
    struct list queue;         /* flights.queue while QUEUED, flights.resting while RESTING */
    enum flight_state state;
    enum cache_source source;
    struct cache_ask ask; /* texts point into key[] */
    struct cache_waiter *waiters;
    size_t joined;       /* waiters so far */
    uint64_t generation; /* of the cache when it began */
    bool outdated;       /* its key was purged since: nobody may join, what it brings is SUSPECT */
    uint64_t fence;      /* when it began: what a replica's answer counts as under the delay gate */
    uint64_t epoch;      /* when it began: under the delay gate nothing else tells of another history */
    int64_t began_us, asked_us;
    int refusals;
    char key[];
};

struct flights {
    pthread_mutex_t mutex;
    struct cache_flight *buckets[FLIGHT_BUCKETS];
    struct list queue, resting;
    int running, queued;
    size_t count;
    struct cache_flight turned_away; /* holds waiters that found the queue full until the next tick */
};

void flights_init(struct flights *flights);
void flights_fini(struct flights *flights);
/* Starts a load that nobody waits for, unless one is under way or too many are. */
void flight_refresh(struct cache *cache, const struct cache_ask *ask);
/* The key was purged: flights that began before cannot be joined any more. */
void flights_outdate(struct cache *cache, const struct digest *digest);
