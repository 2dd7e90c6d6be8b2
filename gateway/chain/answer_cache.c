/*
 * answer_cache - see answer_cache.h.
 *
 *     body_piece --copied--> draft --body moves, head is copied--> stored_answer in a shard --borrowed-->
 * clients
 *
 * The shards are those of the keyed cache (cache/shard.h): a table and SIEVE under one mutex each. The first
 * half of a key is the digest there, the whole of it is compared.
 */

#include "gateway/chain/answer_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/cache/shard.h"

enum {
    SHARD_COUNT = 16,
    GATHERED_SHARE = 8, /* the part of the limit that bodies on their way may take */
    LONGEST_SHARE = 64, /* the part of the limit that one answer may take: a quarter of a shard */
    LONGEST_BYTES = 16 * 1024 * 1024,
    ROOM_FIRST = 4096
};

struct answer_cache {
    const struct clock *clock;
    size_t longest;
    _Atomic size_t gathered, gathered_max; /* bytes */
    _Atomic uint64_t purges;
    struct shard shards[SHARD_COUNT];
};

/* ---- keys ---- */

const char *answer_key_format(const struct answer_key *key, char text[ANSWER_KEY_TEXT])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ANSWER_KEY_BYTES; i++) {
        text[2 * i] = digits[key->bytes[i] >> 4];
        text[2 * i + 1] = digits[key->bytes[i] & 15];
    }
    text[ANSWER_KEY_TEXT - 1] = '\0';
    return text;
}

static int value_of(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char letter = (char)(digit | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool answer_key_parse(struct str text, struct answer_key *key)
{
    if (text.len != ANSWER_KEY_TEXT - 1)
        return false;
    for (size_t i = 0; i < ANSWER_KEY_BYTES; i++) {
        int high = value_of(text.at[2 * i]);
        int low = value_of(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static struct digest digest_of(const uint8_t *half_key)
{
    struct digest digest;

    _Static_assert(sizeof(digest.bytes) == ANSWER_KEY_BYTES / 2, "half a key");
    memcpy(digest.bytes, half_key, sizeof(digest.bytes));
    return digest;
}

static struct shard *shard_of(struct answer_cache *cache, const struct digest *digest)
{
    return &cache->shards[digest->bytes[15] % SHARD_COUNT];
}

/* ---- the cache ---- */

static void set_limit(struct answer_cache *cache, size_t max_bytes)
{
    size_t gathered = max_bytes / GATHERED_SHARE;

    atomic_store_explicit(&cache->gathered_max, gathered, memory_order_relaxed);
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        pthread_mutex_lock(&cache->shards[i].mutex);
        shard_limit_values(&cache->shards[i], (max_bytes - gathered) / SHARD_COUNT);
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
}

struct answer_cache *answer_cache_new(size_t max_bytes, const struct clock *clock)
{
    struct answer_cache *cache = mem_zalloc(sizeof(*cache));
    size_t longest = max_bytes / LONGEST_SHARE;

    cache->clock = clock;
    cache->longest = longest < LONGEST_BYTES ? longest : LONGEST_BYTES;
    for (size_t i = 0; i < SHARD_COUNT; i++)
        shard_init(&cache->shards[i], 0);
    set_limit(cache, max_bytes);
    return cache;
}

void answer_cache_free(struct answer_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++)
        shard_fini(&cache->shards[i]);
    free(cache);
}

void answer_cache_limit(struct answer_cache *cache, size_t max_bytes)
{
    if (atomic_load_explicit(&cache->gathered_max, memory_order_relaxed) != max_bytes / GATHERED_SHARE)
        set_limit(cache, max_bytes);
}

size_t answer_cache_longest(const struct answer_cache *cache)
{
    return cache->longest;
}

/* Under the shard's mutex. NULL: none; one whose storage time is over goes. */
static struct entry *find_entry(struct answer_cache *cache, struct shard *shard, const struct digest *digest)
{
    struct entry *entry = shard_find(shard, digest);

    if (entry == NULL || entry->fresh_until_us == 0 || clock_now_us(cache->clock) <= entry->fresh_until_us)
        return entry;
    shard_drop(shard, entry);
    return NULL;
}

const struct stored_answer *answer_cache_get(struct answer_cache *cache, const struct answer_key *key)
{
    const struct digest digest = digest_of(key->bytes);
    struct shard *shard = shard_of(cache, &digest);
    const struct cache_value *value = NULL;

    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = find_entry(cache, shard, &digest);
    if (entry != NULL && memcmp(entry->key, key->bytes, ANSWER_KEY_BYTES) == 0) {
        entry->visited = true;
        value = cache_value_ref(entry->value);
    }
    pthread_mutex_unlock(&shard->mutex);
    return value != NULL ? cache_value_object(value) : NULL;
}

void stored_answer_unref(const struct stored_answer *answer)
{
    if (answer != NULL)
        cache_value_unref(answer->value);
}

/* ---- drafts ---- */

/* All loops together. */
static bool reserve(struct answer_cache *cache, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&cache->gathered, bytes, memory_order_relaxed);

    if (before + bytes <= atomic_load_explicit(&cache->gathered_max, memory_order_relaxed))
        return true;
    atomic_fetch_sub_explicit(&cache->gathered, bytes, memory_order_relaxed);
    return false;
}

/* Ends the draft; its bytes are the caller's. */
static char *take_bytes(struct answer_draft *draft)
{
    char *at = draft->at;

    atomic_fetch_sub_explicit(&draft->cache->gathered, draft->room, memory_order_relaxed);
    *draft = (struct answer_draft){0};
    return at;
}

void answer_draft_drop(struct answer_draft *draft)
{
    if (draft->cache != NULL)
        free(take_bytes(draft));
}

static bool make_room(struct answer_draft *draft, size_t room)
{
    if (room > draft->cache->longest || !reserve(draft->cache, room - draft->room)) {
        answer_draft_drop(draft);
        return false;
    }
    draft->at = mem_realloc(draft->at, room);
    draft->room = room;
    return true;
}

bool answer_draft_begin(struct answer_draft *draft, struct answer_cache *cache, uint64_t purges,
                        int64_t length)
{
    *draft = (struct answer_draft){0};
    if (length > (int64_t)cache->longest)
        return false;
    draft->cache = cache;
    draft->purges = purges;
    return length <= 0 || make_room(draft, (size_t)length);
}

bool answer_draft_add(struct answer_draft *draft, struct str bytes)
{
    size_t needed = draft->len + bytes.len;
    size_t longest = draft->cache->longest;

    if (needed > draft->room) {
        size_t room = draft->room > 0 ? draft->room : ROOM_FIRST;
        while (room < needed)
            room *= 2;
        if (!make_room(draft, room > longest && needed <= longest ? longest : room))
            return false;
    }
    if (bytes.len > 0)
        memcpy(draft->at + draft->len, bytes.at, bytes.len);
    draft->len = needed;
    return true;
}

/* ---- storing ---- */

static void release(void *object)
{
    struct stored_answer *answer = object;

    free((char *)(uintptr_t)answer->body.at);
    free(answer);
}

static struct str put_text(char **to, struct str from)
{
    struct str text = {*to, from.len};

    if (from.len > 0)
        memcpy(*to, from.at, from.len);
    *to += from.len;
    return text;
}

/* One block: the answer, its lines, their texts. */
static struct stored_answer *copy_of(const struct stored_answer *from, size_t *bytes)
{
    *bytes = sizeof(*from) + from->header_count * sizeof(struct header);
    for (size_t i = 0; i < from->header_count; i++)
        *bytes += from->headers[i].name.len + from->headers[i].value.len;
    struct stored_answer *answer = mem_alloc(*bytes);
    struct header *lines = (struct header *)(answer + 1);
    char *text = (char *)(lines + from->header_count);
    *answer = *from;
    answer->headers = lines;
    for (size_t i = 0; i < from->header_count; i++) {
        lines[i].name = put_text(&text, from->headers[i].name);
        lines[i].value = put_text(&text, from->headers[i].value);
    }
    return answer;
}

static struct entry *entry_of(const struct stored_answer *answer, size_t bytes, int64_t until_us)
{
    struct entry *entry = mem_zalloc(sizeof(*entry) + ANSWER_KEY_BYTES);

    entry->digest = digest_of(answer->key.bytes);
    memcpy(entry->key, answer->key.bytes, ANSWER_KEY_BYTES);
    entry->key_length = ANSWER_KEY_BYTES;
    entry->fresh_until_us = until_us;
    entry->value = answer->value;
    entry->bytes = (uint32_t)(bytes + sizeof(*entry) + ANSWER_KEY_BYTES);
    return entry;
}

/* A purge counts itself first and takes the mutex then: this sees its count, or is dropped by it. */
static bool insert(struct answer_cache *cache, struct entry *entry, uint64_t purges)
{
    struct shard *shard = shard_of(cache, &entry->digest);

    pthread_mutex_lock(&shard->mutex);
    bool fits = entry->bytes <= shard->values.max_bytes &&
                atomic_load_explicit(&cache->purges, memory_order_relaxed) == purges;
    if (fits)
        shard_insert(shard, entry);
    pthread_mutex_unlock(&shard->mutex);
    return fits;
}

bool answer_draft_store(struct answer_draft *draft, const struct stored_answer *answer, int64_t storage_s)
{
    struct answer_cache *cache = draft->cache;
    uint64_t purges = draft->purges;
    size_t len = draft->len;
    size_t bytes;
    struct stored_answer *stored = copy_of(answer, &bytes);
    char *body = take_bytes(draft);

    if (body != NULL)
        body = mem_realloc(body, len > 0 ? len : 1); /* what was reserved too much */
    stored->body = (struct str){body, len};
    stored->stored_us = clock_now_us(cache->clock);
    stored->stored_unix_s = clock_unix_s(cache->clock);
    stored->value = cache_value_new(stored, release);
    struct entry *entry =
        entry_of(stored, bytes + len, storage_s > 0 ? stored->stored_us + storage_s * 1000000 : 0);
    if (insert(cache, entry, purges))
        return true;
    cache_value_unref(entry->value);
    free(entry);
    return false;
}

/* ---- purging ---- */

uint64_t answer_cache_purges(struct answer_cache *cache)
{
    return atomic_load_explicit(&cache->purges, memory_order_relaxed);
}

bool answer_cache_purge(struct answer_cache *cache, const uint8_t half_key[ANSWER_KEY_BYTES / 2])
{
    const struct digest digest = digest_of(half_key);
    struct shard *shard = shard_of(cache, &digest);

    atomic_fetch_add_explicit(&cache->purges, 1, memory_order_relaxed);
    pthread_mutex_lock(&shard->mutex);
    struct entry *entry = find_entry(cache, shard, &digest);
    if (entry != NULL)
        shard_drop(shard, entry);
    pthread_mutex_unlock(&shard->mutex);
    return entry != NULL;
}

void answer_cache_purge_all(struct answer_cache *cache)
{
    atomic_fetch_add_explicit(&cache->purges, 1, memory_order_relaxed);
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        pthread_mutex_lock(&cache->shards[i].mutex);
        shard_drop_all(&cache->shards[i]);
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
}

void answer_cache_read_stats(struct answer_cache *cache, struct answer_cache_stats *stats)
{
    *stats = (struct answer_cache_stats){.gathered_bytes =
                                             atomic_load_explicit(&cache->gathered, memory_order_relaxed)};
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        pthread_mutex_lock(&cache->shards[i].mutex);
        stats->answers += cache->shards[i].values.count;
        stats->bytes += cache->shards[i].values.bytes;
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
}
