/*
 * series_catalogue - see series_catalogue.h.
 */

#include "gateway/base/series_catalogue.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/exposition.h"
#include "gateway/base/mem.h"
#include "gateway/base/series.h"

enum {
    FIRST_BUCKETS = 64 /* a power of two; doubled when there are more entries */
};

/* The series of all threads that have one set of labels. */
struct entry {
    struct entry *same_hash;
    struct str labels;             /* as text; in the entry's block, or "" */
    const struct series **members; /* owned */
    size_t member_count;
};

struct kind_entries {
    const struct series_kind *kind;
    struct entry **at;
    size_t count;
};

/* How far somebody's series are known. */
struct progress {
    const struct series_maker *maker;
    const struct series *last; /* NULL: nothing yet */
};

struct series_catalogue {
    struct kind_entries *kinds;
    size_t kind_count;
    struct progress *makers;
    size_t maker_count;
    struct entry **buckets; /* by hash; at least as many as entries */
    size_t bucket_count, entry_count;
};

struct series_catalogue *series_catalogue_new(void)
{
    struct series_catalogue *catalogue = mem_zalloc(sizeof(*catalogue));

    catalogue->bucket_count = FIRST_BUCKETS;
    catalogue->buckets = mem_zalloc(catalogue->bucket_count * sizeof(struct entry *));
    return catalogue;
}

void series_catalogue_free(struct series_catalogue *catalogue)
{
    if (catalogue == NULL)
        return;
    for (size_t i = 0; i < catalogue->kind_count; i++) {
        for (size_t j = 0; j < catalogue->kinds[i].count; j++) {
            free(catalogue->kinds[i].at[j]->members);
            free(catalogue->kinds[i].at[j]);
        }
        free(catalogue->kinds[i].at);
    }
    free(catalogue->kinds);
    free(catalogue->makers);
    free(catalogue->buckets);
    free(catalogue);
}

/* `items` with room for one more, in steps of doubling. */
static void *with_room(void *items, size_t count, size_t size)
{
    bool is_full = (count & (count - 1)) == 0;

    return is_full ? mem_realloc(items, (count > 0 ? count * 2 : 1) * size) : items;
}

static void add_to_kind(struct series_catalogue *catalogue, const struct series_kind *kind,
                        struct entry *entry)
{
    struct kind_entries *entries = catalogue->kinds;
    struct kind_entries *end = entries + catalogue->kind_count;

    while (entries < end && entries->kind != kind)
        entries++;
    if (entries == end) {
        catalogue->kinds = with_room(catalogue->kinds, catalogue->kind_count, sizeof(*entries));
        entries = &catalogue->kinds[catalogue->kind_count++];
        *entries = (struct kind_entries){.kind = kind};
    }
    entries->at = with_room(entries->at, entries->count, sizeof(struct entry *));
    entries->at[entries->count++] = entry;
}

static void rehash(struct series_catalogue *catalogue)
{
    struct entry **before = catalogue->buckets;
    size_t count = catalogue->bucket_count;

    catalogue->bucket_count *= 2;
    catalogue->buckets = mem_zalloc(catalogue->bucket_count * sizeof(struct entry *));
    for (size_t i = 0; i < count; i++) {
        struct entry *next;
        for (struct entry *entry = before[i]; entry != NULL; entry = next) {
            struct entry **bucket =
                &catalogue->buckets[entry->members[0]->hash & (catalogue->bucket_count - 1)];
            next = entry->same_hash;
            entry->same_hash = *bucket;
            *bucket = entry;
        }
    }
    free(before);
}

static struct entry *make_entry(const struct series *series)
{
    const struct series_kind *kind = series->kind;
    struct buf text = {0};

    for (size_t i = 0; i < kind->label_count; i++)
        exposition_label(&text, kind->labels[i], series->labels[i]);
    struct entry *entry = mem_zalloc(sizeof(*entry) + text.len);
    entry->labels = (struct str){(const char *)(entry + 1), text.len};
    if (text.len > 0)
        memcpy(entry + 1, text.at, text.len);
    buf_fini(&text);
    return entry;
}

static void learn(struct series_catalogue *catalogue, const struct series *series)
{
    struct entry **bucket = &catalogue->buckets[series->hash & (catalogue->bucket_count - 1)];
    struct entry *entry = *bucket;

    while (entry != NULL && !series_is_same(entry->members[0], series))
        entry = entry->same_hash;
    bool is_new = entry == NULL;
    if (is_new) {
        entry = make_entry(series);
        entry->same_hash = *bucket;
        *bucket = entry;
        add_to_kind(catalogue, series->kind, entry);
    }
    entry->members = with_room(entry->members, entry->member_count, sizeof(const struct series *));
    entry->members[entry->member_count++] = series;
    if (is_new && ++catalogue->entry_count > catalogue->bucket_count)
        rehash(catalogue);
}

static struct progress *progress_of(struct series_catalogue *catalogue, const struct series_maker *maker)
{
    for (size_t i = 0; i < catalogue->maker_count; i++)
        if (catalogue->makers[i].maker == maker)
            return &catalogue->makers[i];
    catalogue->makers = with_room(catalogue->makers, catalogue->maker_count, sizeof(struct progress));
    catalogue->makers[catalogue->maker_count] = (struct progress){.maker = maker};
    return &catalogue->makers[catalogue->maker_count++];
}

/* Returns how many were new, at most `most`. */
static size_t learn_from(struct series_catalogue *catalogue, const struct series_maker *maker, size_t most)
{
    struct progress *progress = progress_of(catalogue, maker);
    const struct series *series;
    size_t count = 0;

    for (; count < most; count++) {
        series = series_next(maker, progress->last);
        if (series == NULL)
            break;
        learn(catalogue, series);
        progress->last = series;
    }
    return count;
}

bool series_catalogue_learn(struct series_catalogue *catalogue, size_t most)
{
    size_t count = 0;

    for (const struct series_maker *maker = series_makers(); maker != NULL && count < most;
         maker = series_next_maker(maker))
        count += learn_from(catalogue, maker, most - count);
    return count < most;
}

/* ---- writing ---- */

static int64_t sum_of(const struct entry *entry, size_t slot)
{
    int64_t sum = 0;

    for (size_t i = 0; i < entry->member_count; i++)
        sum += atomic_load_explicit(&entry->members[i]->slots[slot], memory_order_relaxed);
    return sum;
}

static void write_histogram(const struct series_family *family, const struct entry *entry, struct str labels,
                            struct buf *out)
{
    const struct exposition_buckets *buckets = family->buckets;
    int64_t counts[SERIES_BUCKETS_MAX + 1];

    for (size_t i = 0; i <= buckets->count; i++)
        counts[i] = sum_of(entry, family->slot + i);
    exposition_histogram(out, family->name, labels, buckets, counts,
                         sum_of(entry, family->slot + buckets->count + 1));
}

static void write_entry(const struct series_family *family, const struct entry *entry, struct buf *out)
{
    struct buf all_labels = {0};
    struct str labels = entry->labels;

    if (family->label != NULL) {
        buf_add_text(&all_labels, family->label);
        if (labels.len > 0)
            buf_add_byte(&all_labels, ',');
        buf_add_str(&all_labels, labels);
        labels = buf_str(&all_labels);
    }
    if (family->buckets != NULL)
        write_histogram(family, entry, labels, out);
    else
        exposition_sample(out, family->name, labels, sum_of(entry, family->slot));
    buf_fini(&all_labels);
}

/* Of several families of one name the first has the comments. */
static bool begins(const struct series_kind *kind, size_t family)
{
    return family == 0 || strcmp(kind->families[family - 1].name, kind->families[family].name) != 0;
}

bool series_catalogue_write(const struct series_catalogue *catalogue, struct series_cursor *cursor,
                            struct buf *out, size_t bytes)
{
    size_t until = out->len + bytes;

    while (cursor->kind < catalogue->kind_count && out->len < until) {
        const struct kind_entries *entries = &catalogue->kinds[cursor->kind];
        const struct series_family *family = &entries->kind->families[cursor->family];
        if (cursor->entry == 0 && begins(entries->kind, cursor->family))
            exposition_family(out, family->name, family->buckets != NULL ? "histogram" : "counter",
                              family->help);
        do /* a kind has entries: one of them is why it is known */
            write_entry(family, entries->at[cursor->entry++], out);
        while (cursor->entry < entries->count && out->len < until);
        if (cursor->entry < entries->count)
            return true;
        cursor->entry = 0;
        if (++cursor->family == entries->kind->family_count) {
            cursor->family = 0;
            cursor->kind++;
        }
    }
    return cursor->kind < catalogue->kind_count;
}
