/*
 * series - see series.h.
 *
 * A thread finds its series in a hash table that it alone uses and may enlarge at any time. Readers never
 * look into it: they walk the chain in which each series hangs behind the one made before. Tables and
 * series are never freed: their counts belong to the process. The list of makers is one of the process-wide
 * states style.md allows.
 */

#include "gateway/base/series.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

enum {
    FIRST_PLACES = 64, /* a power of two; doubled when half are taken */
};

/* thread: its own, but for `first` and `next` */
struct series_maker {
    struct series **places;
    size_t place_count, taken;
    size_t bytes;
    struct series *last;
    _Atomic(struct series *) first;
    struct series_maker *next; /* set before it is published */
};

static _Atomic(struct series_maker *) all;
static _Thread_local struct series_maker *mine;

static struct series_maker *make_maker(void)
{
    struct series_maker *maker = mem_zalloc(sizeof(*maker));

    maker->place_count = FIRST_PLACES;
    maker->places = mem_zalloc(maker->place_count * sizeof(struct series *));
    maker->next = atomic_load_explicit(&all, memory_order_relaxed);
    /* release: a reader that finds the maker (acquire in series_makers) also sees what is in it */
    while (!atomic_compare_exchange_weak_explicit(&all, &maker->next, maker, memory_order_release,
                                                  memory_order_relaxed))
        continue;
    return maker;
}

/* Eight bytes at a time. Nobody who could profit from collisions chooses the labels. */
static uint64_t mix(uint64_t hash, struct str bytes)
{
    uint64_t word;

    hash = (hash ^ bytes.len) * UINT64_C(0x9e3779b97f4a7c15);
    for (; bytes.len >= sizeof(word); bytes = str_part(bytes, sizeof(word), bytes.len)) {
        memcpy(&word, bytes.at, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    word = 0;
    if (bytes.len > 0)
        memcpy(&word, bytes.at, bytes.len);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_of(const struct series_kind *kind, const struct str *labels)
{
    uint64_t hash = (uint64_t)(uintptr_t)kind;

    for (size_t i = 0; i < kind->label_count; i++)
        hash = mix(hash, labels[i]);
    return hash;
}

static bool has_labels(const struct series *series, const struct series_kind *kind, uint64_t hash,
                       const struct str *labels)
{
    if (series->hash != hash || series->kind != kind)
        return false;
    for (size_t i = 0; i < kind->label_count; i++)
        if (!str_equal(series->labels[i], labels[i]))
            return false;
    return true;
}

/* Where it is or belongs. */
static struct series **place_of(const struct series_maker *maker, const struct series_kind *kind,
                                uint64_t hash, const struct str *labels)
{
    size_t mask = maker->place_count - 1;

    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask)
        if (maker->places[i] == NULL || has_labels(maker->places[i], kind, hash, labels))
            return &maker->places[i];
}

static void enlarge(struct series_maker *maker)
{
    struct series **before = maker->places;
    size_t count = maker->place_count;

    maker->place_count *= 2;
    maker->places = mem_zalloc(maker->place_count * sizeof(struct series *));
    for (size_t i = 0; i < count; i++)
        if (before[i] != NULL)
            *place_of(maker, before[i]->kind, before[i]->hash, before[i]->labels) = before[i];
    free(before);
}

static struct series *make_series(struct series_maker *maker, const struct series_kind *kind, uint64_t hash,
                                  const struct str *labels)
{
    size_t size = sizeof(struct series) + kind->slot_count * sizeof(_Atomic int64_t);
    size_t text_bytes = 0;

    for (size_t i = 0; i < kind->label_count; i++)
        text_bytes += labels[i].len;
    if (maker->bytes + size + text_bytes > SERIES_BYTES_MAX)
        return NULL;
    maker->bytes += size + text_bytes;
    metrics_add(METRIC_SERIES_BYTES, (int64_t)(size + text_bytes));
    struct series *series = mem_zalloc(size + text_bytes);
    char *text = (char *)series + size;
    series->kind = kind;
    series->hash = hash;
    for (size_t i = 0; i < kind->label_count; i++) {
        series->labels[i] = (struct str){text, labels[i].len};
        if (labels[i].len > 0)
            memcpy(text, labels[i].at, labels[i].len);
        text += labels[i].len;
    }
    return series;
}

struct series *series_find(const struct series_kind *kind, const struct str *labels)
{
    if (mine == NULL)
        mine = make_maker();
    struct series_maker *maker = mine;
    uint64_t hash = hash_of(kind, labels);
    struct series **place = place_of(maker, kind, hash, labels);
    if (*place != NULL)
        return *place;
    struct series *series = make_series(maker, kind, hash, labels);
    if (series == NULL) {
        metrics_add(METRIC_SERIES_REFUSED, 1);
        return NULL;
    }
    *place = series;
    /* release: pairs with the acquire of series_next(): who finds the series sees it whole */
    atomic_store_explicit(maker->last != NULL ? &maker->last->next : &maker->first, series,
                          memory_order_release);
    maker->last = series;
    if (++maker->taken * 2 > maker->place_count)
        enlarge(maker);
    return series;
}

void series_observe(struct series *series, const struct series_family *family, int64_t value)
{
    size_t bucket = exposition_bucket_of(family->buckets, value);

    series_add(series, family->slot + bucket, 1);
    series_add(series, family->slot + family->buckets->count + 1, value);
}

const struct series_maker *series_makers(void)
{
    return atomic_load_explicit(&all, memory_order_acquire); /* make_maker() */
}

const struct series_maker *series_next_maker(const struct series_maker *maker)
{
    return maker->next;
}

const struct series *series_next(const struct series_maker *maker, const struct series *last)
{
    /* pairs with the release of series_find() */
    return atomic_load_explicit(last != NULL ? &last->next : &maker->first, memory_order_acquire);
}

bool series_is_same(const struct series *a, const struct series *b)
{
    return has_labels(a, b->kind, b->hash, b->labels);
}
