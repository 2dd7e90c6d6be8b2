#pragma once

/*
 * series - counters and histograms by labels: one look-up and an add to memory of one's own thread. Who reads
 * them sums over all threads and disturbs nobody (series_catalogue.h).
 *
 * Threads: any, each with series of its own.
 *
 * Memory: a series stays until the process ends, so values survive every change of the configuration, those
 * of deleted routes included, and a counter never starts over. What a thread may keep is bounded
 * (SERIES_BYTES_MAX): beyond it new series are refused, the refusals counted (METRIC_SERIES_REFUSED), and
 * those that are known go on counting. Labels are names that administrators give; what clients send must not
 * become one.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/exposition.h"
#include "gateway/base/str.h"

enum {
    SERIES_LABELS_MAX = 6,
    SERIES_BUCKETS_MAX = 24, /* limits of a histogram */
    /* Of one thread: some 150,000 series with usual names; ten thousand routes with all they can have need a
     * third of it. */
    SERIES_BYTES_MAX = 64 * 1024 * 1024,
};

/* A metric of a kind. Its slots begin at `slot`: one for a counter; for a histogram one per bucket, one for
 * what is above them all, and the sum. */
struct series_family {
    const char *name, *help;
    const char *label; /* one more, as text, that all of its samples have; NULL: none */
    size_t slot;
    const struct exposition_buckets *buckets; /* NULL: a counter */
};

/* What is counted under one set of labels. Constant, lives for ever. Families of one name stand together. */
struct series_kind {
    const char *labels[SERIES_LABELS_MAX];
    size_t label_count;
    size_t slot_count;
    const struct series_family *families;
    size_t family_count;
};

/* Of one thread; nobody else adds to it. */
struct series {
    const struct series_kind *kind;
    uint64_t hash;
    _Atomic(struct series *) next; /* in the order in which the thread has made them */
    struct str labels[SERIES_LABELS_MAX];
    _Atomic int64_t slots[];
};

/* This thread's, with these values of the kind's labels; made if it is the first. NULL: there is no room. */
struct series *series_find(const struct series_kind *kind, const struct str *labels);

/* Only its thread writes, so load and store need not be one step. */
static inline void series_add(struct series *series, size_t slot, int64_t amount)
{
    _Atomic int64_t *value = &series->slots[slot];

    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* One more value of a histogram, in the unit of its limits. */
void series_observe(struct series *series, const struct series_family *family, int64_t value);

/* ---- for readers (series_catalogue.c) ---- */

/* A thread that has made series; NULL: there are no more. Those that have ended are among them. */
struct series_maker;
const struct series_maker *series_makers(void);
const struct series_maker *series_next_maker(const struct series_maker *maker);
/* The series it made next after `last` (NULL: its first), or NULL. */
const struct series *series_next(const struct series_maker *maker, const struct series *last);
/* Do both count the same? */
bool series_is_same(const struct series *a, const struct series *b);
