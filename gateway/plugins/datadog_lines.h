#pragma once

/*
 * datadog_lines - which lines the plugin datadog sends for a request (plugin reference, 24): name, status and
 * consumer are tags.
 *
 * Threads: a plan is immutable once it is read; any.
 */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"
#include "gateway/plugins/setting_list.h"
#include "gateway/plugins/stat_facts.h"
#include "gateway/plugins/stat_line.h"

struct datadog_metric {
    enum stat_measure measure;
    struct stat_kind kind;
    bool has_consumer; /* who it is is a tag */
    enum stat_consumer_by consumer_by;
    struct setting_list tags;
};

struct datadog_plan {
    char *prefix;
    char *service_tag, *status_tag, *consumer_tag;
    struct datadog_metric *metrics;
    size_t count;
};

/* From a complete config. _fini is fine for all zero. */
void datadog_plan_read(struct datadog_plan *plan, const cJSON *config);
void datadog_plan_fini(struct datadog_plan *plan);

/* Adds lines; none if there is no service. */
void datadog_lines_of_request(const struct datadog_plan *plan, const struct stat_facts *facts,
                              struct buf *to);
