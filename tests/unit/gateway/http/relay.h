#pragma once

/*
 * relay - a front on a loop of its own, whose handler passes requests on to one upstream: the smallest
 * gateway.
 *
 * Paths that begin with "/local" are answered without an upstream.
 */

#include <semaphore.h>
#include <stdatomic.h>

#include "gateway/base/mem.h"
#include "gateway/http/client.h"
#include "gateway/http/exchange.h"
#include "gateway/http/listener.h"
#include "gateway/io/loop.h"
#include "tests/unit/gateway/http/raw.h"

struct relay {
    struct loop *loop;
    struct http_front *front;
    struct client_pool *pool;
    struct client_pool_options pool_options;
    struct loop_end end;
    struct sockaddr_in upstream;
    const struct client_tls *tls;
    int connect_ms, write_ms, read_ms, idle_ms;
    bool watch;
    int port;
    sem_t ready;
    /* thread: the loop writes, tests read */
    atomic_int answered, failed, gone, last_failure, reused, ended, tunnels_ended;
    void (*handle)(struct relay *relay, struct exchange *exchange); /* "/local..." */
    struct http_front_options front_options;
    void (*refuse)(struct exchange *exchange, int status, const char *text, void *arg);
    bool tls_front, proxy_protocol;
    atomic_llong bytes_sent;
    const char *certificate_file, *key_file;
    struct ssl_ctx_st *front_tls; /* in their place; the test's */
};

struct relayed {
    struct relay *relay;
    struct exchange *exchange;
    struct client *client;
    struct client_request request;
    bool begun;
    bool last;
    int tries;
};

static const struct client_callbacks relay_callbacks;

static inline void relay_on_sent(struct exchange *exchange, void *arg)
{
    struct relayed *relayed = arg;

    (void)exchange;
    client_consume(relayed->client);
}

static inline void relay_on_tunnel_end(void *arg, const struct exchange_tunnel_sum *sum)
{
    struct relay *relay = arg;

    (void)sum;
    atomic_fetch_add(&relay->tunnels_ended, 1);
}

static inline void relay_on_head(struct client *client, const struct client_head *head, void *arg)
{
    struct relayed *relayed = arg;
    struct exchange_answer answer;

    exchange_answer_init(relayed->exchange, &answer, head->status);
    answer.headers = head->headers;
    answer.keep_server_header = true;
    if (head->reason.len > 0)
        answer.reason = head->reason;
    if (head->upgraded) {
        client_tunnel(client, &(struct exchange_tunnel){
                                  .headers = &head->headers,
                                  .idle_ms = relayed->relay->idle_ms > 0 ? relayed->relay->idle_ms : 5000,
                                  .on_end = relay_on_tunnel_end,
                                  .arg = relayed->relay});
        return;
    }
    relayed->begun = true;
    exchange_begin(relayed->exchange, &answer,
                   head->has_body ? head->body_length : (head->body_length > 0 ? head->body_length : 0));
}

static inline void relay_on_body(struct client *client, struct str bytes, bool last, void *arg)
{
    struct relayed *relayed = arg;

    (void)client;
    atomic_fetch_add(&relayed->relay->answered, last ? 1 : 0);
    exchange_send(relayed->exchange, bytes, last ? EXCHANGE_LAST : EXCHANGE_MORE, relay_on_sent, relayed);
}

static inline void relay_on_failure(struct client *client, enum client_failure failure, void *arg)
{
    struct relayed *relayed = arg;
    struct exchange_answer answer;

    (void)client;
    atomic_store(&relayed->relay->last_failure, (int)failure);
    atomic_fetch_add(&relayed->relay->failed, 1);
    if (relayed->begun) {
        exchange_send(relayed->exchange, STR_NONE, EXCHANGE_BROKEN, NULL, NULL);
        return;
    }
    if (failure == CLIENT_STALE && relayed->tries++ == 0) {
        relayed->request.fresh = true;
        relayed->client = client_start(relayed->relay->pool, relayed->exchange, &relayed->request,
                                       &relay_callbacks, relayed);
        return;
    }
    exchange_answer_init(relayed->exchange, &answer,
                         failure == CLIENT_TIMEOUT || failure == CLIENT_CONNECT_TIMEOUT ? 504 : 502);
    exchange_reply(relayed->exchange, &answer, str_of(client_failure_text(failure)));
}

static const struct client_callbacks relay_callbacks = {relay_on_head, relay_on_body, relay_on_failure};

static inline void relay_on_gone(struct exchange *exchange, void *arg)
{
    struct relayed *relayed = arg;

    (void)exchange;
    atomic_fetch_add(&relayed->relay->gone, 1);
    client_cancel(relayed->client);
}

static inline struct str relay_head(struct exchange *exchange)
{
    struct exchange_request *request = exchange_request(exchange);
    size_t size = request->method.len + request->target.len + request->host.len + 128;
    char *head;
    char *at;

    for (size_t i = 0; i < request->headers.count; i++)
        size += request->headers.at[i].name.len + request->headers.at[i].value.len + 4;
    head = exchange_alloc(exchange, size);
    at = head + snprintf(head, size, "%.*s %.*s HTTP/1.1\r\nHost: %.*s\r\n", STR_ARG(request->method),
                         STR_ARG(request->target), STR_ARG(request->host));
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct header *header = &request->headers.at[i];

        if (str_equal_nocase(header->name, STR("connection")))
            continue;
        memcpy(at, header->name.at, header->name.len);
        at += header->name.len;
        *at++ = ':';
        *at++ = ' ';
        memcpy(at, header->value.at, header->value.len);
        at += header->value.len;
        *at++ = '\r';
        *at++ = '\n';
    }
    if (request->body.at != NULL)
        at += snprintf(at, 40, "Content-Length: %zu\r\n", request->body.len);
    if (request->upgrade.at != NULL)
        at += snprintf(at, 60, "Connection: upgrade\r\nUpgrade: %.*s\r\n", STR_ARG(request->upgrade));
    *at++ = '\r';
    *at++ = '\n';
    return (struct str){head, (size_t)(at - head)};
}

static inline void relay_pass_on(struct relay *relay, struct exchange *exchange)
{
    struct exchange_request *request = exchange_request(exchange);
    struct relayed *relayed = exchange_alloc(exchange, sizeof(*relayed));

    *relayed = (struct relayed){.relay = relay, .exchange = exchange};
    relayed->request = (struct client_request){
        .address_length = sizeof(relay->upstream),
        .tls = relay->tls,
        .connect_ms = relay->connect_ms,
        .write_ms = relay->write_ms,
        .read_ms = relay->read_ms,
        .method = request->method,
        .head = relay_head(exchange),
        .body = request->body,
        .head_only = str_equal(request->method, STR("HEAD")),
        .upgrade = request->upgrade,
    };
    memcpy(&relayed->request.address, &relay->upstream, sizeof(relay->upstream));
    relayed->client = client_start(relay->pool, exchange, &relayed->request, &relay_callbacks, relayed);
    if (client_was_reused(relayed->client))
        atomic_fetch_add(&relay->reused, 1);
    if (relay->watch)
        exchange_watch(exchange, relay_on_gone, relayed);
}

static inline void relay_handle(struct exchange *exchange, void *arg)
{
    struct relay *relay = arg;

    if (str_starts_with(exchange_request(exchange)->path, STR("/local")) && relay->handle != NULL)
        relay->handle(relay, exchange);
    else
        relay_pass_on(relay, exchange);
}

static inline void relay_on_loop_end(struct loop_end *end)
{
    struct relay *relay = CONTAINER_OF(end, struct relay, end);

    client_pool_free(relay->pool);
}

static inline void relay_on_start(void *arg)
{
    struct relay *relay = arg;
    struct err err;

    /* Registered first, so that it runs after the front has ended its exchanges. */
    relay->end.on_end = relay_on_loop_end;
    loop_on_end(relay->loop, &relay->end);
    relay->pool = client_pool_new(relay->loop, &relay->pool_options);
    if (!http_front_attach(relay->front, relay->loop, &err))
        abort();
    sem_post(&relay->ready);
}

/* Fields that are 0 get defaults that suit tests. */
static inline void relay_start(struct relay *relay, int listen_port)
{
    const struct listen_address address = {.host = STR("127.0.0.1"),
                                           .port = listen_port,
                                           .tls = relay->tls_front,
                                           .proxy_protocol = relay->proxy_protocol};
    struct http_server_options server = {.name = "relay",
                                         .addresses = &address,
                                         .address_count = 1,
                                         .certificate_file = relay->certificate_file,
                                         .key_file = relay->key_file,
                                         .tls = relay->front_tls,
                                         .handle = relay_handle,
                                         .refuse = relay->refuse,
                                         .arg = relay};
    struct err err;

    if (relay->pool_options.max_idle_per_target == 0)
        relay->pool_options =
            (struct client_pool_options){.max_idle_per_target = 60, .idle_timeout_ms = 60000};
    if (relay->connect_ms == 0)
        relay->connect_ms = relay->write_ms = relay->read_ms = 3000;
    if (relay->front_options.request_timeout_ms == 0)
        relay->front_options.request_timeout_ms = 5000;
    sem_init(&relay->ready, 0, 0);
    relay->front = http_front_new(&relay->front_options);
    if (!http_front_add(relay->front, &server, &err) || !loop_open("relay", &relay->loop, &err) ||
        !loop_start(relay->loop, relay_on_start, relay, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    sem_wait(&relay->ready);
    relay->port = http_front_port(relay->front, 0, 0);
}

static inline void relay_stop(struct relay *relay)
{
    loop_stop(relay->loop);
    loop_join(relay->loop);
    http_front_free(relay->front);
    loop_close(relay->loop);
    sem_destroy(&relay->ready);
}
