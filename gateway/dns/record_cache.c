/*
 * record_cache - see record_cache.h.
 */

#include "gateway/dns/record_cache.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"

struct counted_answer {
    _Atomic uint32_t reference_count; /* thread: any */
    struct resolver_answer answer;
};

static struct counted_answer *counted(const struct resolver_answer *answer)
{
    /* Answers are const to those who share them; the count is not part of what they share. */
    union {
        const struct resolver_answer *shared;
        struct resolver_answer *counted;
    } pointer = {answer};

    return CONTAINER_OF(pointer.counted, struct counted_answer, answer);
}

const struct resolver_answer *resolver_answer_new(const struct sockaddr_storage *addresses, size_t count)
{
    struct counted_answer *made = mem_zalloc(sizeof(*made) + count * sizeof(*addresses));

    atomic_init(&made->reference_count, 1);
    made->answer.count = count;
    if (count > 0)
        memcpy(made->answer.addresses, addresses, count * sizeof(*addresses));
    return &made->answer;
}

const struct resolver_answer *resolver_answer_ref(const struct resolver_answer *answer)
{
    (void)atomic_fetch_add_explicit(&counted(answer)->reference_count, 1, memory_order_relaxed);
    return answer;
}

void resolver_answer_unref(const struct resolver_answer *answer)
{
    if (answer == NULL)
        return;
    /* Pairs with itself on other threads: whoever frees sees their last reads done. */
    if (atomic_fetch_sub_explicit(&counted(answer)->reference_count, 1, memory_order_acq_rel) == 1)
        free(counted(answer));
}

static struct record **bucket_of(struct record_cache *cache, const char *name, size_t length)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a; names come from the administrator */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 1099511628211u;
    return &cache->buckets[(hash ^ (hash >> 32)) & (cache->bucket_count - 1)];
}

static void drop(struct record_cache *cache, struct record *record)
{
    struct record **link = bucket_of(cache, record->name, record->name_length);

    while (*link != record)
        link = &(*link)->next;
    *link = record->next;
    list_remove(&record->age);
    list_remove(&record->asked);
    resolver_answer_unref(record->answer);
    free(record);
    cache->count--;
}

/* Names that are being asked for stay: the cache may grow by as many. */
static void make_room(struct record_cache *cache)
{
    struct list *next;

    for (struct list *link = cache->by_age.next; link != &cache->by_age && cache->count >= cache->capacity;
         link = next) {
        struct record *record = CONTAINER_OF(link, struct record, age);

        next = link->next;
        if (!record->asking)
            drop(cache, record);
    }
}

void record_cache_init(struct record_cache *cache, size_t capacity)
{
    *cache = (struct record_cache){.bucket_count = 64, .capacity = capacity > 0 ? capacity : 1};
    while (cache->bucket_count < capacity && cache->bucket_count < 65536)
        cache->bucket_count *= 2;
    cache->buckets = mem_zalloc(cache->bucket_count * sizeof(struct record *));
    list_init(&cache->by_age);
}

void record_cache_fini(struct record_cache *cache)
{
    while (!list_is_empty(&cache->by_age))
        drop(cache, CONTAINER_OF(cache->by_age.next, struct record, age));
    free(cache->buckets);
}

bool record_name(struct str name, char to[RECORD_NAME_SIZE], size_t *length)
{
    if (name.len > 0 && name.at[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > 253)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];

        if (isalnum(c) == 0 && c != '-' && c != '_' && c != '.')
            return false;
        to[i] = (char)tolower(c);
    }
    to[name.len] = '\0';
    *length = name.len;
    return true;
}

struct record *record_cache_find(struct record_cache *cache, const char *name, size_t length)
{
    struct record *record = *bucket_of(cache, name, length);

    while (record != NULL && (record->name_length != length || memcmp(record->name, name, length) != 0))
        record = record->next;
    if (record != NULL && cache->by_age.previous != &record->age) {
        list_remove(&record->age);
        list_add_last(&cache->by_age, &record->age);
    }
    return record;
}

struct record *record_cache_add(struct record_cache *cache, const char *name, size_t length)
{
    make_room(cache);
    struct record *record = mem_zalloc(sizeof(*record));
    struct record **bucket = bucket_of(cache, name, length);

    record->name_length = length;
    memcpy(record->name, name, length + 1);
    list_init(&record->waiting);
    record->next = *bucket;
    *bucket = record;
    list_add_last(&cache->by_age, &record->age);
    cache->count++;
    return record;
}
