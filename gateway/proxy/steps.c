/*
 * steps - a step is written as if it could not wait: it is run again, from its start, when what it waited for
 * is there. So it changes nothing before its waiting is over.
 */

#include "gateway/proxy/steps.h"

#include <stdatomic.h>
#include <string.h>

#include "bus/bus.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/grpc_error.h"
#include "gateway/chain/span.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/hop.h"
#include "gateway/proxy/hop_by_hop.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/relay.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/response.h"
#include "gateway/proxy/settings.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/router/path.h"
#include "gateway/router/router.h"

enum step_result {
    STEP_NEXT, /* run the following step now */
    STEP_WAIT, /* parked; exactly one wake-up is outstanding and ends in request_resume() */
    STEP_DONE, /* an answer has begun; the request may be gone */
};

_Static_assert(sizeof(struct header) == sizeof(struct router_header) &&
                   offsetof(struct header, value) == offsetof(struct router_header, value),
               "header lines are shown to the router as they are");

static enum step_result refuse(struct request *request, int status, const char *message)
{
    response_error(request, RESPONSE_OF_GATEWAY, status, message);
    return STEP_DONE;
}

enum {
    NAP_MS = 5,
    LONGEST_NAP_US = 250000,
    LONGEST_CATCH_UP_US = 2000000,
};

static void on_nap_over(struct timer *timer)
{
    request_resume(CONTAINER_OF(timer, struct request, nap));
}

static bool is_awake(const struct request *request, int64_t awake_until_us)
{
    int64_t received_us = exchange_request(request->exchange)->received_us;

    if (received_us < awake_until_us)
        return true;
    int64_t now_us = loop_clock_us();
    return now_us < awake_until_us || now_us - received_us > LONGEST_NAP_US;
}

/*
 * The node has been asleep: what it knows may be older than it promises, for as long as its next poll takes.
 * The snapshot that was pinned on arrival may be from before that poll.
 */
static enum step_result step_wake(struct request *request)
{
    /* Acquire, pairs with the release in proxy_set_awake(): the snapshot of that poll is seen by then. */
    int64_t awake_until_us = atomic_load_explicit(&request->at->proxy->awake_until_us, memory_order_acquire);

    if (!is_awake(request, awake_until_us)) {
        timer_start(request->at->loop, &request->nap, NAP_MS, on_nap_over);
        return STEP_WAIT;
    }
    request_pin(request);
    return STEP_NEXT;
}

/* What a client has seen elsewhere it sees here too (consistency reference, 8). */
static enum step_result step_catch_up(struct request *request)
{
    if (!request->settings->takes_min_position)
        return STEP_NEXT;
    const struct header *least =
        headers_find(&exchange_request(request->exchange)->headers, STR("Freshet-Min-Position"));
    if (least == NULL)
        return STEP_NEXT;
    switch (bus_look(request->at->proxy->bus, least->value.at, least->value.len)) {
    case BUS_THERE:
        request_pin(request); /* the one from arrival may be older */
        return STEP_NEXT;
    case BUS_NOWHERE:
        return refuse(request, 400, "Freshet-Min-Position is not a position");
    case BUS_ELSEWHERE:
        return refuse(request, 504, "Freshet-Min-Position belongs to another history of the configuration");
    case BUS_BEHIND:
        break;
    }
    if (loop_clock_us() - exchange_request(request->exchange)->received_us > LONGEST_CATCH_UP_US)
        return refuse(request, 504, "this node has not reached Freshet-Min-Position in time");
    timer_start(request->at->loop, &request->nap, NAP_MS, on_nap_over);
    return STEP_WAIT;
}

static enum step_result step_admit(struct request *request)
{
    if (request->settings->refuse_when_stale &&
        atomic_load_explicit(&request->at->proxy->refusing, memory_order_relaxed))
        return refuse(request, 503, "the configuration of this node is out of date");
    return STEP_NEXT;
}

static struct str normal_path(struct request *request, struct str raw)
{
    if (path_is_normal(raw))
        return raw;
    char *to = exchange_alloc(request->exchange, raw.len + 1);
    return (struct str){to, path_normalize(raw, to)};
}

_Static_assert(sizeof(struct router_capture) == sizeof(struct chain_capture) &&
                   offsetof(struct router_capture, value) == offsetof(struct chain_capture, value),
               "captures are kept as the router has found them");

static void keep_captures(struct request *request, const struct router_match *match)
{
    size_t bytes = match->capture_count * sizeof(struct chain_capture);

    if (match->capture_count == 0)
        return;
    request->chain.capture_count = match->capture_count;
    request->chain.captures = memcpy(exchange_alloc(request->exchange, bytes), match->captures, bytes);
}

static enum step_result step_route(struct request *request)
{
    const struct exchange_request *from = exchange_request(request->exchange);
    struct chain *chain = &request->chain;
    struct router_match match;

    chain->path = normal_path(request, from->path);
    const struct router_query query = {
        .method = from->method,
        .host = from->host,
        .path = chain->path,
        .server_name = from->server_name,
        .tls = from->tls,
        .headers = (const void *)from->headers.at,
        .header_count = from->headers.count,
    };
    struct span *span = span_begin(chain, SPAN_ROUTER, STR_NONE);
    bool is_known = router_match(request->snapshot->router, &query, &match);
    span_end(span);
    if (!is_known) {
        metrics_add(METRIC_ROUTER_MISSES, 1);
        return refuse(request, 404, "no Route matched with those values");
    }
    chain->route = match.route;
    request->has_route_path = match.path_index != SIZE_MAX;
    request->matched_length = match.matched_length;
    keep_captures(request, &match);
    if (!uuid_is_nil(&chain->route->service)) {
        const struct shared_service *shared =
            snapshot_find_service(request->snapshot, &chain->route->service);
        if (shared != NULL) {
            chain->service = shared->service;
            request->hop = &shared->hop;
            if (request->snapshot->upstream_names != NULL && !shared->hop.numeric)
                request->balanced = snapshot_find_balanced(request->snapshot, &shared->hop.name_key);
        }
    }
    return STEP_NEXT;
}

/* Where a client that came in plain text should have gone. */
static enum step_result redirect(struct request *request, int status)
{
    struct chain *chain = &request->chain;
    struct str host = origin_host(request->exchange, &request->origin);
    struct str target = exchange_request(request->exchange)->target;

    exchange_answer_init(request->exchange, &chain->answer, status);
    headers_add(&chain->answer.headers, STR("Location"),
                exchange_printf(request->exchange, "https://%.*s%.*s", STR_ARG(host), STR_ARG(target)));
    chain->answered = true;
    response_send(request);
    return STEP_DONE;
}

/* The client has to come again in another way. */
static enum step_result demand(struct request *request, const char *message, struct str protocol)
{
    struct headers *headers = &request->chain.answer.headers;

    response_make_error(request, RESPONSE_OF_GATEWAY, 426, message);
    headers_add(headers, STR("Connection"), STR("Upgrade"));
    headers_add(headers, STR("Upgrade"), protocol);
    response_send(request);
    return STEP_DONE;
}

/* Only the gateway's side of https is enforced; a route for http alone serves both (reference 3.1). */
static enum step_result step_scheme(struct request *request)
{
    const struct route *route = request->chain.route;

    request_read_origin(request);
    bool wants_tls = (route->protocols & PROTOCOL_HTTPS) != 0 && (route->protocols & PROTOCOL_HTTP) == 0;
    if (!wants_tls || str_equal(request->origin.scheme, STR("https")))
        return STEP_NEXT;
    if (route->https_redirect_status_code != 426)
        return redirect(request, route->https_redirect_status_code);
    return demand(request, "Please use HTTPS protocol", STR("TLS/1.2, HTTP/1.1"));
}

/* Upstreams of these routes are not spoken to yet, but clients that can never be right are told so (3.2). */
static enum step_result step_grpc(struct request *request)
{
    const struct exchange_request *from = exchange_request(request->exchange);
    const struct header *type = headers_find(&from->headers, STR("Content-Type"));

    if ((request->chain.route->protocols & (PROTOCOL_GRPC | PROTOCOL_GRPCS)) == 0)
        return STEP_NEXT;
    if (type == NULL || !str_starts_with(type->value, STR("application/grpc")))
        return refuse(request, 415, "Non-gRPC request matched gRPC route");
    if (from->version < 0x200)
        return demand(request, "Please use HTTP2 protocol", STR("HTTP/2"));
    if ((request->chain.route->protocols & PROTOCOL_GRPC) == 0 &&
        !str_equal(request->origin.scheme, STR("https"))) {
        grpc_error_code(request->exchange, &request->chain.answer, GRPC_CANCELED,
                        "gRPC request matched gRPCs route");
        request->chain.answered = true;
        response_send(request);
        return STEP_DONE;
    }
    return STEP_NEXT;
}

/* Before plugins add lines: a client could name those in its Connection. */
static enum step_result step_own_lines(struct request *request)
{
    hop_by_hop_drop_named(&exchange_request(request->exchange)->headers);
    return STEP_NEXT;
}

static void on_resumed(struct chain *chain, void *arg)
{
    (void)chain;
    request_resume(arg);
}

static enum step_result step_access(struct request *request)
{
    switch (chain_access(&request->chain, on_resumed, request)) {
    case CHAIN_NEXT:
        return STEP_NEXT;
    case CHAIN_WAIT:
        return STEP_WAIT;
    case CHAIN_ANSWERED:
        break;
    }
    response_send(request);
    return STEP_DONE;
}

static enum step_result step_service(struct request *request)
{
    if (request->chain.service == NULL)
        return refuse(request, 503, "no Service found with those values");
    if (!request->hop->spoken)
        return refuse(request, 503, "the protocol of the Service is not spoken by this gateway");
    return STEP_NEXT;
}

static void on_resolved(struct resolver_query *query, const struct resolver_answer *answer)
{
    struct request *request = CONTAINER_OF(query, struct request, query);

    request->resolving = false;
    span_end(request->resolving_span);
    request->resolved = resolver_answer_ref(answer);
    request_resume(request);
}

static enum step_result resolve(struct request *request, struct str name, enum resolver_use use)
{
    request->query = (struct resolver_query){.loop = request->at->loop, .use = use, .on_done = on_resolved};
    request->resolving = true;
    request->resolving_span = span_begin(&request->chain, SPAN_DNS_QUERY, name);
    resolver_ask(request->at->proxy->resolver, name, &request->query);
    return STEP_WAIT;
}

static enum step_result step_resolve(struct request *request)
{
    if (request->hop->numeric || request->balanced != NULL)
        return STEP_NEXT;
    if (request->resolved == NULL)
        request->resolved = resolver_find(request->at->proxy->resolver, request->hop->name, RESOLVER_SERVICE);
    if (request->resolved == NULL)
        return resolve(request, request->hop->name, RESOLVER_SERVICE);
    if (request->resolved->count == 0)
        return refuse(request, 503, "name resolution failed");
    return STEP_NEXT;
}

/* All plugins have had their say before a peer is looked for (reference 3.4). */
static enum step_result step_balance(struct request *request)
{
    struct str awaited;

    if (request->resolved != NULL && request->balanced != NULL) {
        resolver_answer_unref(request->resolved); /* it is in the set of peers */
        request->resolved = NULL;
    }
    switch (choice_make(request, &awaited)) {
    case CHOICE_MADE:
        return STEP_NEXT;
    case CHOICE_WAIT:
        return resolve(request, awaited, RESOLVER_TARGET);
    case CHOICE_NO_NAME:
        return refuse(request, 503, "name resolution failed");
    case CHOICE_NO_PEER:
        break;
    }
    return refuse(request, 503, "failure to get a peer from the ring-balancer");
}

static enum step_result step_relay(struct request *request)
{
    request->step = SIZE_MAX; /* what follows is the relay's */
    relay_start(request);
    return STEP_DONE;
}

static const struct step {
    const char *name; /* for a debugger */
    enum step_result (*run)(struct request *request);
} steps[] = {
    {"wake", step_wake},           /* a node that was stopped learns first what it has missed */
    {"catch up", step_catch_up},   /* a client may have seen a newer configuration elsewhere */
    {"admit", step_admit},         /* a node that has lost touch may have to say so */
    {"route", step_route},         /* host, path and so on -> route and service, from the snapshot */
    {"scheme", step_scheme},       /* who asks, and does it have to be TLS? */
    {"grpc", step_grpc},           /* a route for gRPC takes nothing else */
    {"own lines", step_own_lines}, /* what concerns the client's connection only */
    {"access", step_access},       /* plugins: who asks, may they? */
    {"service", step_service},     /* is there one? */
    {"resolve", step_resolve},     /* its name -> addresses */
    {"balance", step_balance},     /* which of them, or of the peers of an upstream? */
    {"relay", step_relay},         /* exchange with it; another address if that is allowed */
};

void steps_run(struct request *request)
{
    while (request->step < COUNT(steps)) {
        switch (steps[request->step].run(request)) {
        case STEP_NEXT:
            request->step++;
            break;
        case STEP_WAIT:
        case STEP_DONE:
            return;
        }
    }
}
