#pragma once

/*
 * statsd_lines - which lines the plugin statsd sends for a request, and how they are named (plugin reference,
 * 21).
 *
 * Threads: a plan is immutable once it is read; any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"
#include "gateway/plugins/stat_facts.h"
#include "gateway/plugins/stat_line.h"

struct statsd_row; /* what a metric is: statsd_lines.c */

enum statsd_service_by {
    STATSD_SERVICE_ID,
    STATSD_SERVICE_NAME, /* its host if it has none, like the last one */
    STATSD_SERVICE_HOST,
    STATSD_SERVICE_NAME_OR_HOST,
};

struct statsd_metric {
    const struct statsd_row *row;
    struct stat_kind kind;
    enum stat_consumer_by consumer_by;
    enum statsd_service_by service_by;
    bool workspace_by_name;
};

struct statsd_plan {
    char *prefix;
    bool host_in_prefix;
    bool has_tags;
    enum stat_tag_style style;
    struct statsd_metric *metrics;
    size_t count;
    bool has_pools; /* one of them is about the node's memory */
};

/* From a complete config and its metrics, or the default's. _fini is fine for all zero. */
void statsd_plan_read(struct statsd_plan *plan, const cJSON *config, const cJSON *metrics);
void statsd_plan_fini(struct statsd_plan *plan);

/* `host`: the node's name. Adds lines. */
void statsd_lines_of_request(const struct statsd_plan *plan, const struct stat_facts *facts, struct str host,
                             struct buf *to);

/* A part of the node's memory. */
struct statsd_pool {
    struct str name;
    int64_t free_bytes, capacity_bytes;
};
void statsd_lines_of_pool(const struct statsd_plan *plan, const struct statsd_pool *pool, struct str host,
                          struct buf *to);
