#pragma once

/*
 * record_cache - what is known about names, for how long, and who waits for more.
 *
 * Pure: no thread, no socket, no clock of its own; resolver.c guards it with its lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/str.h"
#include "gateway/dns/resolver.h"

enum {
    RECORD_NAME_SIZE = 256
};

/* What is known about one name. */
struct record {
    struct record *next;                  /* in its bucket */
    struct list age;                      /* least recently used first */
    struct list asked;                    /* resolver.c's list of names to ask for */
    struct list waiting;                  /* of resolver.c's waiters */
    bool asking;                          /* a question is under way: not to be evicted */
    const struct resolver_answer *answer; /* NULL: none yet */
    int64_t refresh_at_ms, expires_at_ms, stale_until_ms;
    size_t name_length;
    char name[RECORD_NAME_SIZE]; /* lower case, no dot at the end, NUL-terminated */
};

struct record_cache {
    struct record **buckets;
    size_t bucket_count; /* a power of two */
    size_t count, capacity;
    struct list by_age;
};

void record_cache_init(struct record_cache *cache, size_t capacity);
void record_cache_fini(struct record_cache *cache);

/* The form under which a name is kept. False: it cannot be the name of a host. */
bool record_name(struct str name, char to[RECORD_NAME_SIZE], size_t *length);

/* NULL: nothing is known. Marks it as used. */
struct record *record_cache_find(struct record_cache *cache, const char *name, size_t length);
/* Makes it; makes room first. */
struct record *record_cache_add(struct record_cache *cache, const char *name, size_t length);

/* A new answer with one reference. */
const struct resolver_answer *resolver_answer_new(const struct sockaddr_storage *addresses, size_t count);
