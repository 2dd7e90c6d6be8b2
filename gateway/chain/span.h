#pragma once

/*
 * span - what took time in a request on its way, for plugins that tell of it (opentelemetry).
 *
 * Written down only where the node's settings ask for it (tracing_instrumentations) and a plugin that reads
 * spans is configured: then chain->spans is there, else it is NULL and a begin costs one comparison. Bounded:
 * what comes after the CHAIN_SPANS_MAX-th is left out.
 *
 * Home: the exchange's memory. Threads: the request's loop.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

struct chain;
struct exchange;

enum {
    CHAIN_SPANS_MAX = 64
};

/* Words of tracing_instrumentations. */
enum span_kind {
    SPAN_REQUEST,
    SPAN_DB_QUERY,
    SPAN_DNS_QUERY,
    SPAN_ROUTER,
    SPAN_HTTP_CLIENT, /* calls of plugins while a request waits: no plugin here makes any */
    SPAN_BALANCER,    /* tries: kept in chain->hop, not here */
    SPAN_PLUGIN_REWRITE,
    SPAN_PLUGIN_ACCESS,
    SPAN_PLUGIN_HEADER_FILTER,
    SPAN_KINDS
};

struct span {
    const struct span *before; /* NULL: it was the first */
    enum span_kind kind;
    struct str what;             /* name of a plugin, of a host, of entities; lives as long as the request */
    int64_t began_us, lasted_us; /* loop_clock_us(); lasted -1: it is not over */
};

struct chain_spans {
    unsigned wanted;      /* bits of kinds, not 0 */
    double sampling_rate; /* 0 to 1: of requests whose client does not say */
    const struct span *last;
    size_t count;
};

/* The bit of a word; "all": every bit; "off" and others: 0. Letters in any case. */
unsigned span_kinds_of(const char *word);

/* NULL: it is not wanted. */
struct span *span_begin(struct chain *chain, enum span_kind kind, struct str what);
/* NULL is fine. */
void span_end(struct span *span);
