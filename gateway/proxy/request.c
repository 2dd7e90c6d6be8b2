/*
 * request - see request.h. Begins and ends a request; what happens between is in steps.c.
 */

#include "gateway/proxy/request.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/chain/scope.h"
#include "gateway/chain/span.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/response.h"
#include "gateway/proxy/settings.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/proxy/steps.h"
#include "gateway/proxy/tunnelled.h"

/* 32 hexadecimal digits; unique, not secret. */
static void make_id(struct request *request)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t half = 0; half < 2; half++) {
        uint64_t bits = random_next(&request->at->ids[half]);
        for (size_t i = 0; i < REQUEST_ID_SIZE / 2; i++, bits >>= 4)
            request->id[half * (REQUEST_ID_SIZE / 2) + i] = digits[bits & 15];
    }
}

static struct str name_of(const char *name, const struct uuid *id, char text[UUID_TEXT_SIZE])
{
    return str_of(name != NULL ? name : uuid_format(id, text));
}

static void log_access(struct request *request)
{
    const struct chain *chain = &request->chain;
    const struct relay *relay = &request->relay;
    int64_t received_us = exchange_request(request->exchange)->received_us;
    char route[UUID_TEXT_SIZE], service[UUID_TEXT_SIZE], consumer[UUID_TEXT_SIZE];
    struct access_line line;

    access_line_of(&line, request->exchange);
    line.request_id = chain->request_id;
    line.client = chain->client_address;
    line.aborted = !request->whole;
    if (chain->route != NULL)
        line.route = name_of(chain->route->name, &chain->route->id, route);
    if (chain->service != NULL)
        line.service = name_of(chain->service->name, &chain->service->id, service);
    if (chain->consumer != NULL)
        line.consumer = line.user = name_of(chain->consumer->username, &chain->consumer->id, consumer);
    if (request->proxied) {
        line.gateway_us = chain->hop.began_us - received_us;
        line.upstream_us = chain->hop.head_us != 0 ? chain->hop.head_us - chain->hop.began_us : -1;
        line.last_try = chain->hop.last;
        line.upstream_status = relay->status != 0 ? relay->status : -1;
        line.retries = relay->tries > 1 ? relay->tries - 1 : 0;
    }
    if (request->tunnelled != NULL)
        tunnelled_hold(request->tunnelled, &line);
    else
        access_log_add(request->at->access, request->settings->access_format, &line);
}

/* What was refused at the door did not come so far. */
static void know_client(struct request *request)
{
    if (request->origin.address.at == NULL)
        request_read_origin(request);
}

/* The client is answered, or gone: whatever still runs for it has ended before (client.h). */
static void on_end(struct exchange_end *end)
{
    struct request *request = CONTAINER_OF(end, struct request, end);

    assert(request->magic == REQUEST_MAGIC);
    metrics_add(METRIC_HTTP_RUNNING, -1);
    request->relay.client = NULL;
    choice_end(request);
    timer_stop(&request->nap);
    if (request->resolving)
        resolver_cancel(&request->query);
    if (request->resolved != NULL)
        resolver_answer_unref(request->resolved);
    know_client(request);
    chain_log(&request->chain);
    if (access_log_is_on(request->at->access))
        log_access(request);
    chain_end(&request->chain);
    snapshot_unpin(request->at->proxy->place, request->at->number, request->snapshot);
    request->magic = 0;
}

/* The client has gone away: the upstream is told at once; the exchange ends by itself. */
static void on_gone(struct exchange *exchange, void *arg)
{
    struct request *request = arg;

    (void)exchange;
    assert(request->magic == REQUEST_MAGIC);
    if (request->relay.client != NULL)
        client_cancel(request->relay.client);
    request->relay.client = NULL;
    timer_stop(&request->nap);
    request->step = SIZE_MAX; /* what still wakes it finds nothing to do */
}

/*
 * The snapshot is pinned before anything is looked up in the cache: whoever sees it sees all that was purged
 * up to it (consistency reference, 7.2).
 */
void request_pin(struct request *request)
{
    struct snapshot_place *place = request->at->proxy->place;
    const struct snapshot *before = request->snapshot;

    request->snapshot = snapshot_pin(place, request->at->number);
    assert(request->snapshot != NULL); /* the first is there before a listener opens */
    request->chain.scope = request->snapshot->scope;
    if (before != NULL)
        snapshot_unpin(place, request->at->number, before);
}

void request_read_origin(struct request *request)
{
    origin_read(request->exchange, request->settings, &request->origin);
    request->chain.client_address = request->origin.address;
    request->chain.hop.scheme = request->origin.scheme;
}

static void record_spans(struct request *request)
{
    struct chain_spans *spans = exchange_alloc(request->exchange, sizeof(*spans));

    *spans = (struct chain_spans){.wanted = request->settings->traced,
                                  .sampling_rate = request->settings->sampling_rate};
    request->chain.spans = spans;
}

static struct request *begin(struct proxy *proxy, struct exchange *exchange)
{
    struct request *request = exchange_alloc(exchange, sizeof(*request));
    struct proxy_loop *at = proxy_loop_of(proxy, exchange_loop(exchange));

    memset(request, 0, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->at = at;
    request->exchange = exchange;
    request->settings = at->settings;
    request_pin(request);
    make_id(request);
    request->chain.world = &proxy->world;
    request->chain.exchange = exchange;
    request->chain.redis = at->redis;
    request->chain.teller = at->teller;
    request->chain.templates = &request->settings->templates;
    request->chain.request_id = (struct str){request->id, REQUEST_ID_SIZE};
    if (request->settings->traced != 0 && scope_reads_spans(request->snapshot->scope))
        record_spans(request);
    chain_start(&request->chain);
    request->end.on_end = on_end;
    metrics_add(METRIC_HTTP_RUNNING, 1);
    exchange_on_end(exchange, &request->end);
    return request;
}

void request_handle(struct exchange *exchange, void *arg)
{
    struct request *request = begin(arg, exchange);

    metrics_add(METRIC_HTTP_REQUESTS, 1);
    exchange_watch(exchange, on_gone, request);
    steps_run(request);
}

void request_refuse(struct exchange *exchange, int status, const char *text, void *arg)
{
    struct request *request = begin(arg, exchange);

    response_make_error(request, RESPONSE_OF_ENGINE, status, text);
    request->chain.answer.close = true;
    response_send(request);
}

void request_resume(struct request *request)
{
    assert(request->magic == REQUEST_MAGIC);
    steps_run(request);
}
