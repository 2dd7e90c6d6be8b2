#pragma once

/*
 * opentelemetry_spans - a request as spans of OpenTelemetry: "kong" and what happened under it.
 *
 * Threads: the request's loop.
 */

#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"
#include "gateway/plugins/trace_context.h"

struct chain;

struct opentelemetry_ids {
    struct trace_lot lot;
    struct trace_id trace;
    uint64_t parent; /* the client's span; 0: none */
    uint64_t root;   /* of the request */
    uint64_t
        last; /* of its last try at an upstream: what the upstream is told. The root's without such spans */
};

/* In the log phase of a request whose chain has spans. resource: texts by name, or NULL. */
void opentelemetry_spans_write(const struct chain *chain, struct opentelemetry_ids *ids,
                               const cJSON *resource, struct buf *buf);
