#pragma once

/*
 * metrics - counters that cost one add to memory of one's own thread, summed when somebody asks.
 *
 * Threads: any. A thread's slots are made on its first use and stay after it has ended.
 */

#include <stdint.h>

enum metric {
#define METRIC(symbol, name, kind, help)          METRIC_##symbol,
#define LABELED(symbol, name, labels, kind, help) METRIC_##symbol,
#include "gateway/base/metrics.def"
    METRIC_COUNT
};

struct metric_info {
    const char *name;
    const char *labels; /* as text, escaped: a="b"; "": none */
    const char *kind;   /* "counter" or "gauge" */
    const char *help;
};

void metrics_add(enum metric metric, int64_t amount);
int64_t metrics_read(enum metric metric);
const struct metric_info *metrics_info(enum metric metric);
