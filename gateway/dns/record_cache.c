/*
 * record_cache - see record_cache.h.
 */

#include "gateway/dns/record_cache.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"

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
    resolver_answer_unref(record->good);
    if (record->watchers == 0)
        cache->count--;
    free(record);
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
    list_init(&cache->watched);
}

void record_cache_fini(struct record_cache *cache)
{
    while (!list_is_empty(&cache->by_age))
        drop(cache, CONTAINER_OF(cache->by_age.next, struct record, age));
    while (!list_is_empty(&cache->watched))
        drop(cache, CONTAINER_OF(cache->watched.next, struct record, age));
    free(cache->buckets);
}

bool record_name(struct str name, struct record_name *to)
{
    size_t length = name.len;

    if (length > 0 && name.at[length - 1] == '.')
        length--;
    if (length == 0 || length > 253)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name.at[i];

        if (isalnum(c) == 0 && c != '-' && c != '_' && c != '.')
            return false;
        to->text[i] = (char)tolower(c);
    }
    if (name.len > length)
        to->text[length] = '.';
    to->text[name.len] = '\0';
    to->length = name.len;
    to->host = (struct str){to->text, length};
    return true;
}

struct record *record_cache_find(struct record_cache *cache, const char *name, size_t length)
{
    struct record *record = *bucket_of(cache, name, length);

    while (record != NULL && (record->name_length != length || memcmp(record->name, name, length) != 0))
        record = record->next;
    if (record != NULL && record->watchers == 0 && cache->by_age.previous != &record->age) {
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

void record_cache_watch(struct record_cache *cache, struct record *record)
{
    if (record->watchers++ > 0)
        return;
    list_remove(&record->age);
    list_add_last(&cache->watched, &record->age);
    cache->count--;
}

void record_cache_unwatch(struct record_cache *cache, struct record *record)
{
    assert(record->watchers > 0);
    if (--record->watchers > 0)
        return;
    list_remove(&record->age);
    list_add_last(&cache->by_age, &record->age);
    cache->count++;
}
