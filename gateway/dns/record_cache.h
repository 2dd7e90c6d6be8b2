#pragma once

/*
 * record_cache - what is known about names, for how long, and who waits for more.
 *
 * Pure: no thread, no socket, no clock of its own; the resolver guards it with its lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/list.h"
#include "gateway/base/str.h"
#include "gateway/dns/order.h"
#include "gateway/dns/resolver.h"

enum {
    RECORD_NAME_SIZE = 256
};

/* What is known about one name. */
struct record {
    struct record *next; /* in its bucket */
    struct list age;     /* in by_age, least recently used first, or in watched */
    uint32_t watchers;   /* not 0: is kept up to date, and not evicted */
    struct list asked;   /* in one of asking.c's lists of names to ask for, or in none */
    int64_t asked_at_ms; /* when the first of those who wait began to */
    struct list waiting; /* of resolver.c's waiters */
    bool asking;         /* listed or under way: not to be evicted */
    bool failing;        /* for the log: the last outcome was none */
    /* What follows is freshness.c's. */
    const struct resolver_answer *answer; /* the newest outcome, maybe empty; NULL: none yet */
    const struct resolver_answer *good;   /* the last with addresses; NULL: none yet */
    enum dns_type last;                   /* the type that succeeded last */
    bool each_time;                       /* `answer` has a TTL of 0 */
    int64_t expires_at_ms, stale_until_ms;
    int64_t refresh_at_ms; /* services: from here on a look starts a new question */
    int64_t recheck_at_ms; /* targets, and those who watch */
    size_t name_length;
    char name[RECORD_NAME_SIZE]; /* lower case, NUL-terminated; a dot at the end means: no search list */
};

/* A name as it is kept. */
struct record_name {
    char text[RECORD_NAME_SIZE];
    size_t length;
    struct str host; /* of it, without a dot at the end: as in a hosts file */
};

struct record_cache {
    struct record **buckets;
    size_t bucket_count;    /* a power of two */
    size_t count, capacity; /* of those nobody watches */
    struct list by_age, watched;
};

void record_cache_init(struct record_cache *cache, size_t capacity);
void record_cache_fini(struct record_cache *cache);

/* The form under which a name is kept. False: it cannot be the name of a host. */
bool record_name(struct str name, struct record_name *to) MUST_CHECK;

/* NULL: nothing is known. Marks it as used. */
struct record *record_cache_find(struct record_cache *cache, const char *name, size_t length);
/* Makes it; makes room first. */
struct record *record_cache_add(struct record_cache *cache, const char *name, size_t length);

/* Calls are counted. */
void record_cache_watch(struct record_cache *cache, struct record *record);
void record_cache_unwatch(struct record_cache *cache, struct record *record);
