#pragma once

/*
 * request - one request on its way through the proxy: from the exchange to the last byte of its answer.
 *
 * A table of steps (steps.c) is run from top to bottom. A step that has to wait parks the request; when it is
 * woken the same step runs again and finds what it waited for.
 *
 * Home: the exchange's memory. Threads: the exchange's loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/chain/chain.h"
#include "gateway/dns/resolver.h"
#include "gateway/http/client.h"
#include "gateway/http/exchange.h"
#include "gateway/io/timer.h"
#include "gateway/proxy/choice.h"
#include "gateway/proxy/gather.h"
#include "gateway/proxy/origin.h"

struct balanced;
struct hop;
struct proxy_loop;
struct settings;
struct snapshot;
struct span;

enum {
    REQUEST_MAGIC = 0x72657173,
    REQUEST_ID_SIZE = 32
};

/* One exchange with the upstream after another, until one gives an answer (relay.c). */
struct relay {
    struct client *client; /* the try that is under way or has answered; NULL: none */
    struct client_request ask;
    struct client_tls tls;   /* what `ask` points to when it is wanted */
    struct choice choice;    /* whom it goes to */
    struct chain_try now;    /* the try that runs, or was the last */
    int kept;                /* tries before it that are remembered */
    struct str path, prefix; /* of its head */
    int tries;               /* begun so far */
    bool fresh;              /* a kept connection has failed this request already */
    bool idempotent;         /* of the method: may be sent again after it has gone out */
    struct gather gather;    /* an answer that is wanted whole */
    bool answering;          /* the head has gone to the client */
    bool replaced;           /* a plugin has answered instead of the upstream (replaced.h) */
    size_t dropped_bytes;    /* of the body that is not wanted then */
    int status;              /* of the last try; one without an answer counts as 502 or 504 */
};

struct request {
    uint32_t magic;
    struct proxy_loop *at;
    struct exchange *exchange;
    struct exchange_end end;
    const struct snapshot *snapshot; /* pinned */
    const struct settings *settings;
    struct chain chain;
    size_t step;      /* of the table, the one that runs or waits */
    struct timer nap; /* of a request that waits for the node to wake up, or for the end of a dropped body */
    struct origin origin;
    const struct hop *hop;           /* of the service; NULL: none */
    const struct balanced *balanced; /* the upstream that its host names; NULL: it is a host */
    struct resolver_query query;
    struct span *resolving_span; /* NULL: none */
    bool resolving;
    const struct resolver_answer *resolved; /* a reference */
    bool proxied;                           /* it is on its way to an upstream, or was */
    struct relay relay;
    char id[REQUEST_ID_SIZE];
    /* What the router has found, but for the route. */
    bool has_route_path;
    size_t matched_length;       /* bytes of the path that the route's path matched */
    bool whole;                  /* its answer has been handed over to the end */
    struct tunnelled *tunnelled; /* what stays of it; NULL: it has not become a tunnel */
};

/* Handler of the proxy's servers; arg is the proxy. */
void request_handle(struct exchange *exchange, void *arg);
/* What the front has refused by itself. */
void request_refuse(struct exchange *exchange, int status, const char *text, void *arg);
/* Uses the newest snapshot from now on: while nothing has been read from the one before. */
void request_pin(struct request *request);
/* Who the client is, for the steps, the plugins and the log. */
void request_read_origin(struct request *request);
/* Runs the step that waited once more. */
void request_resume(struct request *request);
