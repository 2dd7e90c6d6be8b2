#pragma once

/*
 * metrics_inside - a scrape of /metrics under way, for the files that write its parts.
 *
 * Threads: the loop.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/series_catalogue.h"
#include "gateway/base/str.h"

struct admin;
struct config;

struct metrics_upstreams;

/* Heap: the answer's. */
struct scrape {
    const struct admin *admin;
    const struct config *config; /* in force when it began */
    size_t part;
    struct series_cursor cursor;
    struct metrics_upstreams *upstreams; /* owned; NULL: not looked at yet */
};

enum {
    METRICS_PIECE_BYTES = 64 * 1024 /* about; a third of a millisecond or less */
};

/* Parts: each adds what there is to say, or a piece of it. false: that was all. */
bool metrics_write_node(struct scrape *scrape, struct buf *out);
bool metrics_write_health(struct scrape *scrape, struct buf *out);

/* NULL is fine. */
void metrics_upstreams_free(struct metrics_upstreams *upstreams);
