/*
 * relay - see relay.h.
 *
 *     upstream --on_body--> exchange_send() --on_sent--> client_consume() --> the next read
 *
 * One piece is under way at a time, so a slow client stops the reading from the upstream, and nothing is
 * copied: the bytes stay in the upstream's input buffer until the client's kernel has them.
 */

#include "gateway/proxy/relay.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/io/loop.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/certificates.h"
#include "gateway/proxy/hop.h"
#include "gateway/proxy/hop_by_hop.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/replaced.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/response.h"
#include "gateway/proxy/settings.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/proxy/tls_settings.h"
#include "gateway/proxy/tunnelled.h"
#include "gateway/proxy/upstream_head.h"
#include "gateway/router/path.h"

enum {
    COMPLAINT_MS = 1000
};

static struct request *of(void *arg)
{
    struct request *request = arg;

    assert(request->magic == REQUEST_MAGIC);
    return request;
}

/* May it be sent once more after it has gone out? (data-plane reference, 6.3) */
static bool is_idempotent(struct str method)
{
    return !str_equal(method, STR("POST")) && !str_equal(method, STR("PATCH")) &&
           !str_equal(method, STR("LOCK"));
}

static const struct client_callbacks callbacks;

static void begin_try(struct request *request)
{
    struct relay *relay = &request->relay;

    relay->ask.fresh = relay->fresh;
    relay->tries++;
    relay->now.address = relay->ask.address;
    relay->now.began_us = relay->tries > 1 ? loop_clock_us() : request->chain.hop.began_us;
    relay->client = client_start(request->at->pool, request->exchange, &relay->ask, &callbacks, request);
}

/* Is another try allowed after this failure? */
static bool may_retry(const struct request *request, enum client_failure failure)
{
    const struct relay *relay = &request->relay;

    switch (failure) {
    case CLIENT_SHORTAGE:
    case CLIENT_REFUSED:
    case CLIENT_CONNECT_TIMEOUT:
    case CLIENT_TLS_FAILED:
        break; /* nothing was sent: any method */
    case CLIENT_STALE:
        return relay->idempotent && !relay->fresh; /* no try of the service's: the connection was ours */
    case CLIENT_RESET:
    case CLIENT_TIMEOUT:
        if (!relay->idempotent)
            return false;
        break;
    case CLIENT_BAD_ANSWER:
    case CLIENT_CUT:
        return false;
    }
    return relay->tries <= request->chain.service->retries;
}

static bool try_elsewhere(struct request *request);

/* A request has failed. An upstream that is down fails all of them: one line a second stands for the rest. */
static void complain(struct request *request, enum client_failure failure)
{
    const struct service *service = request->chain.service;
    struct proxy_loop *at = request->at;
    int64_t now_ms = loop_now_ms(at->loop);

    metrics_add(METRIC_UPSTREAM_FAILURES, 1);
    if (at->complained_ms != 0 && now_ms - at->complained_ms < COMPLAINT_MS) {
        at->untold++;
        return;
    }
    log_warn(
        "relay: an upstream has failed; service=%s host=%s tries=%d reason=\"%s\" others_untold=%" PRIu64,
        service->name != NULL ? service->name : "-", service->host, request->relay.tries,
        client_failure_text(failure), at->untold);
    at->complained_ms = now_ms;
    at->untold = 0;
}

static int status_of(enum client_failure failure)
{
    switch (failure) {
    case CLIENT_SHORTAGE:
        return 500;
    case CLIENT_CONNECT_TIMEOUT:
    case CLIENT_TIMEOUT:
        return 504;
    default:
        return 502;
    }
}

static void end_try(struct chain_try *now, int status, bool failed, int64_t now_us)
{
    now->lasted_us = now_us - now->began_us;
    now->status = status;
    now->failed = failed;
}

/* The next try takes its place; the first ones are not remembered for ever. */
static void keep_try(struct request *request)
{
    struct relay *relay = &request->relay;

    if (relay->kept == CHAIN_TRIES_KEPT - 1)
        return;
    struct chain_try *kept = exchange_alloc(request->exchange, sizeof(*kept));
    *kept = relay->now;
    relay->now = (struct chain_try){.before = kept};
    relay->kept++;
}

static void give_up(struct request *request, enum client_failure failure)
{
    complain(request, failure);
    request->relay.status = status_of(failure);
    response_error(request, RESPONSE_OF_ENGINE, request->relay.status, NULL);
}

static void on_failure(struct client *client, enum client_failure failure, void *arg)
{
    struct request *request = of(arg);
    struct relay *relay = &request->relay;

    (void)client;
    relay->client = NULL;
    end_try(&relay->now, status_of(failure), /* failed= */ true, loop_clock_us());
    choice_failed(request, failure);
    log_debug("relay: a try has failed; service=%s host=%s try=%d reason=\"%s\"",
              request->chain.service->name != NULL ? request->chain.service->name : "-",
              request->chain.service->host, relay->tries, client_failure_text(failure));
    if (relay->replaced) {
        replaced_send(request);
        return;
    }
    if (relay->answering && relay->gather.active)
        exchange_begin(request->exchange, &request->chain.answer, /* length= */ -1); /* to break it */
    if (relay->answering) {
        complain(request, failure);
        exchange_send(request->exchange, STR_NONE, EXCHANGE_BROKEN, NULL, NULL);
        return;
    }
    if (!may_retry(request, failure)) {
        give_up(request, failure);
        return;
    }
    metrics_add(METRIC_UPSTREAM_RETRIES, 1);
    if (failure == CLIENT_STALE) {
        relay->fresh = true; /* no try of the service's: the connection was ours */
        relay->tries--;
    }
    if (!try_elsewhere(request)) {
        give_up(request, failure);
        return;
    }
    if (failure != CLIENT_STALE)
        keep_try(request);
    begin_try(request);
}

static bool client_takes_trailers(struct request *request)
{
    const struct headers *headers = &exchange_request(request->exchange)->headers;

    for (const struct header *te = headers_find(headers, STR("TE")); te != NULL;
         te = headers_find_next(headers, te, STR("TE")))
        if (hop_by_hop_mentions(te->value, STR("trailers")))
            return true;
    return false;
}

/* It is no offer to change to something else than what was asked for. */
static void drop_other_upgrades(struct headers *headers, struct str asked)
{
    const struct header *upgrade = headers_find(headers, STR("Upgrade"));

    if (upgrade != NULL && (asked.at == NULL || !str_equal_nocase(upgrade->value, asked)))
        (void)headers_remove(headers, STR("Upgrade"));
}

/* What the upstream has said is the answer, but for what concerns its connection only. */
static void take_head(struct request *request, const struct client_head *head)
{
    struct exchange_answer *answer = &request->chain.answer;

    exchange_answer_init(request->exchange, answer, head->status);
    answer->reason = head->reason;
    answer->headers = head->headers;
    answer->keep_server_header = true;
    hop_by_hop_drop_named(&answer->headers);
    (void)headers_remove(&answer->headers, STR("Keep-Alive"));
    drop_other_upgrades(&answer->headers, request->relay.ask.upgrade);
    if (!client_takes_trailers(request))
        (void)headers_remove(&answer->headers, STR("Trailer"));
}

/* The service's read timeout is the idle time of a tunnel as well. */
static void join(struct request *request, struct client *client)
{
    struct exchange_tunnel tunnel = {.headers = &request->chain.answer.headers,
                                     .idle_ms = request->relay.ask.read_ms};

    request->relay.client = NULL;
    request->whole = true;
    request->tunnelled = tunnelled_new(request, choice_give(request));
    tunnel.on_end = tunnelled_end;
    tunnel.arg = request->tunnelled;
    client_tunnel(client, &tunnel);
}

/* HEAD has no body that could be shown. */
static bool wants_whole(const struct request *request)
{
    return request->chain.wants_body && !request->relay.ask.head_only;
}

static void on_head(struct client *client, const struct client_head *head, void *arg)
{
    struct request *request = of(arg);
    struct relay *relay = &request->relay;

    request->chain.hop.head_us = loop_clock_us();
    end_try(&relay->now, head->status, /* failed= */ false, request->chain.hop.head_us);
    relay->status = head->status;
    choice_answered(request, head->status);
    take_head(request, head);
    response_dress(request);
    if (relay->choice.set_cookie.at != NULL) /* this client's: plugins that keep heads must not see it */
        headers_add(&request->chain.answer.headers, STR("Set-Cookie"), relay->choice.set_cookie);
    if (request->chain.answered) {
        replaced_begin(request, head);
        return;
    }
    relay->answering = true;
    if (head->upgraded) {
        join(request, client);
        return;
    }
    if (wants_whole(request) && gather_begin(&relay->gather, head->body_length))
        return;
    exchange_begin(request->exchange, &request->chain.answer, head->body_length);
}

/* There is more than is kept: what was gathered becomes the beginning of the first piece. */
static struct str stop_gathering(struct request *request, struct str bytes)
{
    struct gather *gather = &request->relay.gather;
    char *at = exchange_alloc(request->exchange, gather->len + bytes.len + 1);

    gather->active = false;
    exchange_begin(request->exchange, &request->chain.answer, /* length= */ -1);
    if (gather->len > 0)
        memcpy(at, gather->at, gather->len);
    if (bytes.len > 0)
        memcpy(at + gather->len, bytes.at, bytes.len);
    return (struct str){at, gather->len + bytes.len};
}

static void reply_whole(struct request *request)
{
    struct chain *chain = &request->chain;
    const struct gather *gather = &request->relay.gather;

    chain->answer_body = (struct str){gather->at, gather->len};
    chain_body_filter(chain);
    exchange_reply(request->exchange, &chain->answer, chain->answer_body);
}

static void on_sent(struct exchange *exchange, void *arg)
{
    struct request *request = of(arg);

    (void)exchange;
    if (request->relay.client != NULL)
        client_consume(request->relay.client);
}

/* After the last piece the exchange ends, and with it the client, whose connection is kept. */
static void on_body(struct client *client, struct str bytes, bool last, void *arg)
{
    struct request *request = of(arg);
    struct gather *gather = &request->relay.gather;

    if (request->relay.replaced) {
        replaced_drop(request, bytes, last);
        return;
    }
    request->whole = last;
    chain_body_piece(&request->chain, bytes, last);
    if (gather->active && gather_add(gather, request->exchange, bytes)) {
        if (last)
            reply_whole(request);
        else
            client_consume(client);
        return;
    }
    if (gather->active)
        bytes = stop_gathering(request, bytes);
    exchange_send(request->exchange, bytes, last ? EXCHANGE_LAST : EXCHANGE_MORE, on_sent, request);
}

static const struct client_callbacks callbacks = {on_head, on_body, on_failure};

/* The path and what strip_path took off it. */
static void set_path(struct request *request)
{
    const struct route *route = request->chain.route;
    struct str own = request->chain.upstream_path; /* a plugin's; it is then the whole of it */
    const struct path_upstream parts = {
        .service_path = own.at != NULL ? own : str_of(request->chain.service->path),
        .path = own.at != NULL ? STR("/") : request->chain.path,
        .matched_length = request->matched_length,
        .has_route_path = request->has_route_path,
        .strip = route->strip_path && own.at == NULL,
    };
    char *path = exchange_alloc(request->exchange, path_upstream_room(&parts));

    request->relay.path = (struct str){path, path_upstream_write(&parts, path)};
    if (route->strip_path && request->has_route_path && request->matched_length > 1)
        request->relay.prefix = str_part(request->chain.path, 0, request->matched_length);
}

/* The certificate to show, if the upstream asks: the service's, else the upstream entity's, else the node's.
 */
static const struct tls_identity *identity_of(const struct request *request)
{
    const struct uuid *ids[] = {
        &request->chain.service->client_certificate,
        request->balanced != NULL ? &request->balanced->upstream->client_certificate : NULL,
    };

    for (size_t i = 0; i < COUNT(ids); i++)
        if (ids[i] != NULL && !uuid_is_nil(ids[i]))
            return certificates_get(request->snapshot, ids[i]);
    return request->at->proxy->tls->client;
}

/* One that is gone, or cannot be read, is not trusted. */
static void set_authorities(struct request *request)
{
    struct client_tls *tls = &request->relay.tls;
    const struct service *service = request->chain.service;
    const struct tls_authority **found;

    tls->own_authorities = tls->verify && service->authority_count > 0;
    if (!tls->own_authorities)
        return;
    found =
        exchange_alloc(request->exchange, service->authority_count * sizeof(const struct tls_authority *));
    for (size_t i = 0; i < service->authority_count; i++) {
        const struct tls_authority *authority =
            pmap_find(request->snapshot->authorities, service->authorities[i].bytes);
        if (authority != NULL)
            found[tls->authority_count++] = authority;
    }
    tls->authorities = found;
}

static void fill_tls(struct request *request)
{
    struct client_tls *tls = &request->relay.tls;
    const struct client_tls *usual = &request->at->proxy->tls->upstream;

    if (request->relay.ask.tls != NULL)
        return; /* of an earlier try */
    *tls = *usual;
    tls->verify = request->hop->client_tls.verify;
    if (request->chain.service->tls_verify_depth >= 0)
        tls->verify_depth = request->hop->client_tls.verify_depth;
    tls->identity = identity_of(request);
    set_authorities(request);
    request->relay.ask.tls = tls;
}

/*
 * With preserve_host the client's name goes into the handshake too, if the administrator has listed it: names
 * that clients make up would each cost a TLS context.
 */
static void set_tls(struct request *request, bool preserved)
{
    struct relay *relay = &request->relay;
    const struct texts *hosts = &request->chain.route->hosts;

    if (!request->hop->tls)
        return;
    fill_tls(request);
    relay->tls.server_name = relay->choice.numeric ? STR_NONE : relay->choice.name;
    if (!preserved)
        return;
    struct str name = origin_host_of(exchange_request(request->exchange)->host);
    for (size_t i = 0; i < hosts->count; i++)
        if (str_equal_nocase(name, str_of(hosts->at[i])))
            relay->tls.server_name = str_of(hosts->at[i]);
}

/* What depends on whom the request goes to. */
static void address(struct request *request)
{
    const struct exchange_request *from = exchange_request(request->exchange);
    bool preserved = request->chain.route->preserve_host && from->host.at != NULL;
    const struct upstream_head head = {
        .settings = request->settings,
        .origin = &request->origin,
        .path = request->relay.path,
        .query = request->chain.upstream_query,
        .host = preserved ? from->host : request->relay.choice.host,
        .prefix = request->relay.prefix,
        .request_id = request->chain.request_id,
        .body = request->chain.upstream_body,
    };

    request->relay.ask.head = upstream_head_write(request->exchange, &head);
    request->chain.hop.uri = upstream_head_uri(request->relay.ask.head);
    set_tls(request, preserved);
}

/* Another address of the service, or another peer of its upstream. false: there is none to be had. */
static bool try_elsewhere(struct request *request)
{
    struct str before = request->relay.choice.host;
    struct str awaited;

    if (choice_make(request, &awaited) != CHOICE_MADE)
        return false;
    if (!str_equal(before, request->relay.choice.host))
        address(request);
    return true;
}

void relay_start(struct request *request)
{
    const struct service *service = request->chain.service;
    const struct exchange_request *from = exchange_request(request->exchange);
    struct client_request *ask = &request->relay.ask;

    ask->connect_ms = service->connect_ms;
    ask->write_ms = service->write_ms;
    ask->read_ms = service->read_ms;
    ask->method = from->method;
    ask->body = request->chain.upstream_body;
    ask->head_only = str_equal(from->method, STR("HEAD"));
    ask->upgrade = upstream_head_upgrade(request->exchange);
    set_path(request);
    address(request);
    request->relay.idempotent = is_idempotent(from->method);
    request->proxied = true;
    request->chain.hop.began_us = loop_clock_us();
    request->chain.hop.last = &request->relay.now;
    begin_try(request);
}
