#pragma once

/*
 * cache - keyed entities this node has read from Postgres: consumers, credentials and the like, and their
 * absence.
 *
 * Invariant: what was read at position P is served only while its key has not been invalidated above P.
 * Fences remember the last invalidation of each slot of keys, so a slow read cannot put back what an event
 * removed (consistency reference, 6). Loads are single flight: one per key however many wait.
 *
 * The cache knows neither SQL nor HTTP nor the bus: loading, judging positions and freeing values are
 * functions it is given. All that time and chance can do comes through options, so the simulator drives the
 * real code.
 *
 * Threads: any, except cache_open() and cache_close(). A mutex per shard, held for a few hundred nanoseconds,
 * never while load, judge or on_done runs. release may be called under it and must do nothing but free.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/digest.h"
#include "gateway/base/str.h"

struct cache;
struct cache_flight;

/* A cached object. Immutable, counted; what `object` points to is the loader's business. */
struct cache_value;
const void *cache_value_object(const struct cache_value *value);
void cache_value_unref(const struct cache_value *value); /* NULL is fine */

enum {
    CACHE_KEY_MAX = 8192 /* as long as a header line of a request can be */
};

/* Where and how an entity is to be found; copied into the flight and the entry. */
struct cache_ask {
    struct digest digest; /* of the key */
    struct str key;       /* the key as clients see it, at most CACHE_KEY_MAX bytes; borrowed for the call */
    struct str value;     /* part of `key`: what the loader looks for in the database */
    uint8_t type;         /* number of the entity type, for cache_invalidate_type() */
    uint8_t lookup;       /* which column; meaning is the loader's */
};

enum cache_source {
    CACHE_FROM_REPLICA,
    CACHE_FROM_PRIMARY
};

enum cache_judgement {
    CACHE_ACCEPT,
    CACHE_PASS,
    CACHE_OLD,
    CACHE_CONTRADICTS
}; /* as enum bus_verdict */

struct cache_options {
    size_t max_bytes;        /* over all shards; 90 % values, 10 % negative entries */
    int64_t ttl_ms;          /* 0: until invalidated */
    int64_t negative_ttl_ms; /* 0: until invalidated */
    int64_t resurrect_ms;    /* how long a STALE or SUSPECT value is served again when the database is away */
    int64_t propagation_ms;  /* D, delay gate only: fills of invalidated keys avoid the replica so long */
    bool delay_gate;         /* the replica carries no positions: trust it after D */
    bool has_replica;
    int max_flights;           /* db_fill_concurrency: loads running at once */
    int max_queued;            /* loads waiting for a place; beyond it CACHE_BUSY */
    int64_t fill_deadline_ms;  /* how long a waiter waits */
    const struct clock *clock; /* borrowed */
    uint64_t seed;             /* of the jitter */
    /* Start to load; call cache_fill_done() exactly once later, never from inside. Any thread. */
    void (*load)(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                 enum cache_source source);
    /* Is this position part of our history? Any thread; takes no lock of the cache. */
    enum cache_judgement (*judge)(void *arg, uint64_t position, int64_t tag, enum cache_source source);
    void (*release)(void *object); /* frees what cache_answer.object pointed to, if that names no other */
    void *arg;
};

void cache_open(const struct cache_options *options, struct cache **cache);
/* Nobody may be inside; flights must have ended. */
void cache_close(struct cache *cache);
/* Live settings: ttl, negative ttl, resurrect, propagation. */
void cache_reload(struct cache *cache, const struct cache_options *options);

enum cache_status {
    CACHE_HIT,      /* *value holds a reference for the caller */
    CACHE_NEGATIVE, /* known not to exist */
    CACHE_MISS,     /* nothing usable; start a fill */
    CACHE_FAILED,   /* waiter only: the database did not answer in time and nothing could stand in */
    CACHE_BUSY,     /* waiter only: too many loads are waiting */
};

/* Never blocks on I/O. May start a background refresh of an entry close to its end. */
enum cache_status cache_get(struct cache *cache, const struct cache_ask *ask,
                            const struct cache_value **value) MUST_CHECK;

/*
 * A waiter for one load. Lives in the caller's request. on_done is called exactly once, on any thread, never
 * from inside cache_fill(), unless cache_cancel() returned true before. It gets a reference in `value` for
 * CACHE_HIT; the receiver must only hand the result to its own loop.
 */
struct cache_waiter {
    struct cache_waiter *next, **link; /* the cache's, like the two below */
    struct cache_flight *flight;
    int64_t until_us; /* its own deadline; the load goes on */
    void (*on_done)(struct cache_waiter *waiter, enum cache_status status, const struct cache_value *value);
};

/* Joins the load of this key or starts it. */
void cache_fill(struct cache *cache, const struct cache_ask *ask, struct cache_waiter *waiter);
/* true: on_done will not be called any more. false: it has been or is being called. */
bool cache_cancel(struct cache *cache, struct cache_waiter *waiter);

/* What a load brought back. */
struct cache_answer {
    bool failed;       /* no answer: the other members mean nothing */
    uint64_t position; /* newest commit the answer knows of */
    int64_t tag;
    void *object;                  /* NULL: there is no such row. Ownership passes to the cache */
    size_t bytes;                  /* what object occupies */
    void (*release)(void *object); /* NULL: that of the options */
};
void cache_fill_done(struct cache *cache, struct cache_flight *flight, const struct cache_answer *answer);
/* To be called about every 100 ms: gives up on waiters past their deadline. */
void cache_tick(struct cache *cache);

/* Events, on the bus thread, in order. The fence is raised before the entry is dropped. */
void cache_invalidate(struct cache *cache, const struct digest *key, uint64_t position);
/*
 * The same; and if the entry was in use, what is needed to read it again in the snapshot that gave the event
 * and to put it back at once. NULL: nobody has asked for it lately. Owned by the caller: free().
 */
struct cache_renewal {
    struct cache_ask ask; /* texts are part of this block */
    uint64_t generation, key_purges, epoch;
    char key[];
};
struct cache_renewal *cache_invalidate_used(struct cache *cache, const struct digest *key, uint64_t position);
/* `answer` was read from the primary in that snapshot. Takes its object over. */
void cache_renew(struct cache *cache, const struct cache_renewal *renewal, const struct cache_answer *answer);
void cache_invalidate_type(struct cache *cache, uint8_t type, uint64_t position);
void cache_invalidate_all(struct cache *cache, uint64_t position);
/* A hint: the entry becomes SUSPECT if older, and replicas must show `position`. Capped at applied + 4096. */
void cache_suspect(struct cache *cache, const struct digest *key, uint64_t position, uint64_t applied);
/* The events of a batch have been invalidated: hints from before its poll are forgotten, and purges until now
 * are older than the snapshot of the next batch. */
void cache_clear_suspicions(struct cache *cache);
/* Resync: freeze, start over at `head`, unfreeze. */
void cache_freeze(struct cache *cache);
void cache_restart(struct cache *cache, uint64_t head);

/* The Admin API's view. purge: SUSPECT, kept for when the database is away (DELETE /cache and /cache/{key}).
 */
void cache_purge(struct cache *cache);
void cache_purge_key(struct cache *cache, const struct digest *key);

struct cache_entry_info {
    struct str key; /* valid during the callback */
    bool negative;
    uint64_t position; /* asof */
    int64_t age_ms;
    int64_t expires_in_ms; /* 0: never */
    const void *object;    /* NULL when negative; valid during the callback */
};
/* Calls `show`, under the shard's mutex, for a FRESH or STALE entry. false: there is none (SUSPECT counts as
 * none). */
bool cache_peek(struct cache *cache, const struct digest *key,
                void (*show)(void *arg, const struct cache_entry_info *info), void *arg);
/* Every such entry whose key starts with `prefix`, one shard after the other; the callback may not call the
 * cache. */
void cache_each(struct cache *cache, struct str prefix,
                void (*show)(void *arg, const struct cache_entry_info *info), void *arg);

/* An entry that would be served, drawn by `dice`; NULL: none was found there. */
struct cache_sample {
    struct cache_ask ask; /* texts are part of this block */
    uint64_t asof;
    const struct cache_value *value; /* a reference; NULL: known not to exist */
    char key[];
};
struct cache_sample *cache_sample(struct cache *cache, uint64_t dice);
void cache_sample_free(struct cache_sample *sample);

struct cache_stats {
    uint64_t entries, negatives, bytes, capacity_bytes, flights, queued;
};
void cache_read_stats(struct cache *cache, struct cache_stats *stats);
