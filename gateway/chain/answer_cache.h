#pragma once

/*
 * answer_cache - answers of upstreams that are given again, by key, shared by all loops.
 *
 * An answer is immutable and counted: who gets one borrows its bytes until he lets go, whatever is purged
 * meanwhile. Memory is what cached entities leave of mem_cache_size: they have their limit, and what they do
 * not use, answers may (answer_cache_limit(), called every tick). An answer that does not fit is not stored.
 *
 * Threads: any. A mutex per shard, held for a look-up and a reference.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"
#include "gateway/http/header.h"

struct answer_cache;
struct cache_value;
struct clock;

enum {
    ANSWER_KEY_BYTES = 32,
    ANSWER_KEY_TEXT = 2 * ANSWER_KEY_BYTES + 1
};

/* A digest without secret that nobody can find a second text for (SHA-256). */
struct answer_key {
    uint8_t bytes[ANSWER_KEY_BYTES];
};
/* Lower-case hexadecimal digits. */
const char *answer_key_format(const struct answer_key *key, char text[ANSWER_KEY_TEXT]);
/* false: not 64 hexadecimal digits. */
bool answer_key_parse(struct str text, struct answer_key *key) MUST_CHECK;

struct stored_answer {
    struct answer_key key;
    struct uuid owner; /* the configuration that stored it */
    int status;
    const struct header *headers; /* names and values are part of the answer */
    size_t header_count;
    struct str body;
    int64_t head_length; /* to HEAD: the length it gave; -1: none. 0 for others */
    int64_t stored_us;   /* clock_now_us() */
    int64_t stored_unix_s;
    int64_t ttl_s;                   /* how long it is fresh, as the one who stored it saw it */
    const struct cache_value *value; /* the cache's */
};

/* `max_bytes`: the most that answer_cache_limit() will ever allow, and the limit until it is called. */
struct answer_cache *answer_cache_new(size_t max_bytes, const struct clock *clock);
/* No answer may be borrowed any more. */
void answer_cache_free(struct answer_cache *cache);
/* What answers may take from now on; evicts what is too much. */
void answer_cache_limit(struct answer_cache *cache, size_t max_bytes);
/* The longest body that is kept. */
size_t answer_cache_longest(const struct answer_cache *cache);

/* NULL: there is none. Else to be let go of. */
const struct stored_answer *answer_cache_get(struct answer_cache *cache, const struct answer_key *key);
void stored_answer_unref(const struct stored_answer *answer);

/*
 * A body on its way into the cache. {0} is one that gathers nothing. What is being gathered is bounded too,
 * over all loops: beyond it answers are not stored.
 */
struct answer_draft {
    struct answer_cache *cache; /* NULL: nothing is gathered */
    uint64_t purges;            /* until it began */
    char *at;
    size_t len, room;
};
/* `length` of the body, -1: not known. false: it would not fit. `purges`: answer_cache_purges() before the
 * upstream was asked. */
bool answer_draft_begin(struct answer_draft *draft, struct answer_cache *cache, uint64_t purges,
                        int64_t length) MUST_CHECK;
/* false: it does not fit; the draft gathers nothing any more. */
bool answer_draft_add(struct answer_draft *draft, struct str bytes) MUST_CHECK;
void answer_draft_drop(struct answer_draft *draft);
/*
 * Stores it, for `storage_s` seconds (0: for ever), in the place of the one with its key: the draft's body,
 * the rest as in `answer`, whose texts are copied; time and body are filled in here. Ends the draft. false:
 * there is no room, or something was purged meanwhile, which may have meant this one.
 */
bool answer_draft_store(struct answer_draft *draft, const struct stored_answer *answer, int64_t storage_s);

/* How often something has been purged. */
uint64_t answer_cache_purges(struct answer_cache *cache);
/* By the first half of its key, which is as good as all of it. false: there is none. */
bool answer_cache_purge(struct answer_cache *cache, const uint8_t half_key[ANSWER_KEY_BYTES / 2]);
void answer_cache_purge_all(struct answer_cache *cache);

struct answer_cache_stats {
    uint64_t answers, bytes, gathered_bytes;
};
void answer_cache_read_stats(struct answer_cache *cache, struct answer_cache_stats *stats);
