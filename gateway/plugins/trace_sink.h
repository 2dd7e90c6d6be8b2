#pragma once

/*
 * trace_sink - where a tracing plugin's configuration sends what it has to tell: a queue to an HTTP server.
 *
 * Entries are requests: all spans of one go together, so `max_batch_size` of the record `queue` counts
 * requests.
 *
 * Threads: the one that configures plugins.
 */

#include <cjson/cJSON.h>

#include "gateway/base/str.h"
#include "gateway/chain/delivery_http.h"

struct delivery_queue;

struct trace_sink_options {
    const char *plugin; /* in the log */
    const char *url;
    const char *content_type;    /* unless the headers have one */
    const cJSON *headers;        /* name -> value, NULL: none more */
    const char *batch, *pause_s; /* old settings that go before those of `queue`; NULL: the plugin has none */
    struct delivery_frame frame;
};

struct delivery_queue *trace_sink_new(const cJSON *config, const struct trace_sink_options *options);
