#pragma once

/*
 * exposition - figures as the text that Prometheus reads (exposition format 0.0.4).
 *
 * A family is its two comment lines and behind them, without anything between, all its samples. Labels are
 * written once, escaped, and kept as text: {a="b",c="d"} without the braces.
 *
 * Threads: any; pure. Texts are UTF-8, as all that comes from the database is.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

/* `type`: "counter", "gauge" or "histogram". */
void exposition_family(struct buf *out, const char *name, const char *type, const char *help);

/* Adds name="value", behind a comma if `labels` has any yet. */
void exposition_label(struct buf *labels, const char *name, struct str value);

void exposition_sample(struct buf *out, const char *name, struct str labels, int64_t value);
/* value / scale, exactly; scale: a power of ten, 1 to 1000000. Likewise below. */
void exposition_fraction(struct buf *out, const char *name, struct str labels, int64_t value, int64_t scale);

/* Upper limits, ascending, in the unit of what is observed; what is above all of them is counted too. */
struct exposition_buckets {
    const int64_t *limits;
    size_t count;
    int64_t scale; /* limits and sum divided by it are what is shown */
};
/* Where a value is counted: 0 to buckets->count. */
size_t exposition_bucket_of(const struct exposition_buckets *buckets, int64_t value);
/* counts: buckets->count + 1 of them, not yet added up. _count is the last bucket's, whatever else counts. */
void exposition_histogram(struct buf *out, const char *name, struct str labels,
                          const struct exposition_buckets *buckets, const int64_t *counts, int64_t sum);
