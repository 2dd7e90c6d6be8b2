/*
 * span - see span.h.
 */

#include "gateway/chain/span.h"

#include <strings.h>

#include "gateway/chain/chain.h"
#include "gateway/io/loop.h"

static const char *const words[SPAN_KINDS] = {
    [SPAN_REQUEST] = "request",
    [SPAN_DB_QUERY] = "db_query",
    [SPAN_DNS_QUERY] = "dns_query",
    [SPAN_ROUTER] = "router",
    [SPAN_HTTP_CLIENT] = "http_client",
    [SPAN_BALANCER] = "balancer",
    [SPAN_PLUGIN_REWRITE] = "plugin_rewrite",
    [SPAN_PLUGIN_ACCESS] = "plugin_access",
    [SPAN_PLUGIN_HEADER_FILTER] = "plugin_header_filter",
};

unsigned span_kinds_of(const char *word)
{
    if (strcasecmp(word, "all") == 0)
        return (1U << SPAN_KINDS) - 1;
    for (unsigned i = 0; i < SPAN_KINDS; i++)
        if (strcasecmp(word, words[i]) == 0)
            return 1U << i;
    return 0;
}

struct span *span_begin(struct chain *chain, enum span_kind kind, struct str what)
{
    struct chain_spans *spans = chain->spans;

    if (spans == NULL || (spans->wanted >> kind & 1) == 0 || spans->count == CHAIN_SPANS_MAX)
        return NULL;
    struct span *span = exchange_alloc(chain->exchange, sizeof(*span));
    *span = (struct span){spans->last, kind, what, loop_clock_us(), -1};
    spans->last = span;
    spans->count++;
    return span;
}

void span_end(struct span *span)
{
    if (span != NULL)
        span->lasted_us = loop_clock_us() - span->began_us;
}
