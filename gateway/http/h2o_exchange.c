/*
 * h2o_exchange - an exchange on a request that h2o received, and its answer.
 *
 * Framing is ours: h2o's chunked filter knows only status 200 (h2o.md section 5), so it is taken out
 * (listener.c) and chunk lines are written here, around the caller's bytes, in the same writev. A head that
 * was begun is held back until the first bytes come or the turn ends: most answers leave in one system call.
 *
 * Response header lines are handed to h2o as they are: its name is a pointer to an h2o_iovec_t, which is laid
 * out like our struct str.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <h2o.h>
#include <h2o/http1.h>

#include "gateway/base/metrics.h"
#include "gateway/http/arena.h"
#include "gateway/http/exchange_backend.h"
#include "gateway/http/front.h"
#include "gateway/http/guard.h"
#include "gateway/http/h2_watch.h"
#include "gateway/http/tunnel.h"

_Static_assert(sizeof(struct str) == sizeof(h2o_iovec_t) &&
                   offsetof(struct str, len) == offsetof(h2o_iovec_t, len),
               "header names are shared with h2o");

enum {
    EXCHANGE_MAGIC = 0x65786368,
    TLS_ALERT = 21, /* types of records: RFC 8446, section 5.1 */
    TLS_DATA = 23,
    TLS_HEAD_BYTES = 5,
    TLS_SEALED_ALERT_BYTES = 2 + 1 + 16, /* the alert, its type, the tag */
};

enum h2o_exchange_state {
    EXCHANGE_OPEN,    /* no answer yet */
    EXCHANGE_HELD,    /* begun; the head waits for bytes or the end of the turn (`flush` is linked) */
    EXCHANGE_IDLE,    /* begun; nothing is being written */
    EXCHANGE_WRITING, /* h2o is writing; `waiting` may hold the next send */
    EXCHANGE_CLOSED,  /* the last bytes were given to h2o, or the request is gone */
};

/* Home: its own arena. */
struct h2o_exchange {
    struct exchange super;
    uint32_t magic;
    struct arena *arena;
    enum h2o_exchange_state state;
    h2o_req_t *req;
    struct front_connection *connection;
    h2o_generator_t generator;
    h2o_timeout_entry_t flush;
    struct arena_stock *arenas; /* where its memory goes back to */
    uint64_t bytes_before;      /* what the connection had sent when the request came */
    struct str date;            /* the upstream's own, until the head is written; at == NULL: h2o's */
    struct list link;           /* the connection's; not linked: it never ran, or has ended */
    bool head_only;
    bool chunked;
    bool no_body; /* of the status, or HEAD */
    bool watching;
    bool leaving; /* the client has gone while something was being written */
    void (*on_gone)(struct exchange *exchange, void *arg);
    void *on_gone_arg;
    /* The send under way, and whether it still has to be given to h2o. */
    void (*on_sent)(struct exchange *exchange, void *arg);
    void *on_sent_arg;
    struct str bytes;
    enum exchange_more more;
    bool waiting;
    char chunk_line[24];
};

/* Upgraded, waiting for h2o to let go of the connection. Heap: the request is gone by then. */
struct pending_tunnel {
    struct front_connection *connection;
    h2o_socket_t *upstream;
    struct exchange_tunnel options; /* `headers` have been sent */
};

static struct h2o_exchange *of(struct exchange *exchange)
{
    struct h2o_exchange *x = CONTAINER_OF(exchange, struct h2o_exchange, super);

    assert(x->magic == EXCHANGE_MAGIC);
    return x;
}

static void unwatch(struct h2o_exchange *x)
{
    if (!x->watching)
        return;
    x->watching = false;
    h2o_socket_read_stop(x->connection->sock);
    h2o_socket_dont_read(x->connection->sock, 0);
}

static void *backend_alloc(struct exchange *exchange, size_t size)
{
    struct h2o_exchange *x = of(exchange);
    void *memory = arena_alloc(x->arena, size);

    return memory != NULL ? memory : h2o_mem_alloc_pool(&x->req->pool, size);
}

void front_read_tls(const struct exchange *exchange, struct exchange_outcome *outcome)
{
    const struct h2o_exchange *x = (const void *)exchange; /* its first member */

    if (!x->connection->tls)
        return;
    outcome->tls = h2o_socket_get_ssl_protocol_version(x->connection->sock);
    outcome->tls_cipher = h2o_socket_get_ssl_cipher(x->connection->sock);
}

static void backend_outcome(const struct exchange *exchange, struct exchange_outcome *outcome)
{
    const struct h2o_exchange *x = (const void *)exchange; /* its first member */

    outcome->status = x->req->res.status;
    outcome->bytes_sent = x->connection->sock->bytes_written - x->bytes_before;
    outcome->body_sent = x->req->bytes_sent;
    front_read_tls(exchange, outcome);
}

/* The Connection of a 426 names Upgrade (RFC 9110, section 15.5.22); h2o's own line stands beside it. */
static bool is_written_by_h2o(struct str name, int status)
{
    switch (name.len) {
    case 4:
        return str_equal_nocase(name, STR("date"));
    case 10:
        return status != 426 && str_equal_nocase(name, STR("connection"));
    case 14:
        return str_equal_nocase(name, STR("content-length"));
    case 17:
        return str_equal_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

/* RFC 9113, sections 8.2 and 8.2.2. */
static bool has_no_place_in_http2(struct str name)
{
    return str_equal_nocase(name, STR("connection")) || str_equal_nocase(name, STR("keep-alive")) ||
           str_equal_nocase(name, STR("proxy-connection")) || str_equal_nocase(name, STR("upgrade"));
}

static struct str in_lower_case(h2o_req_t *req, struct str name)
{
    char *lower = h2o_mem_alloc_pool(&req->pool, name.len);

    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)h2o_tolower(name.at[i]);
    return (struct str){lower, name.len};
}

void front_set_headers(h2o_req_t *req, const struct headers *headers)
{
    bool is_http2 = req->version >= 0x200;
    h2o_header_t *lines = h2o_mem_alloc_pool(&req->pool, (headers->count + 1) * sizeof(*lines));
    struct str *names = h2o_mem_alloc_pool(&req->pool, (headers->count + 1) * sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->at[i];

        if (is_written_by_h2o(header->name, req->res.status) ||
            (is_http2 && has_no_place_in_http2(header->name)))
            continue;
        names[count] = is_http2 ? in_lower_case(req, header->name) : header->name;
        lines[count] = (h2o_header_t){
            .name = (h2o_iovec_t *)(void *)&names[count],
            .value = h2o_iovec_init(header->value.at, header->value.len),
        };
        count++;
    }
    req->res.headers.entries = lines;
    req->res.headers.size = count;
    req->res.headers.capacity = headers->count + 1;
}

static void set_head(struct h2o_exchange *x, const struct exchange_answer *answer, int64_t length)
{
    h2o_req_t *req = x->req;
    struct http_front *front = x->connection->at->front;

    assert(x->state == EXCHANGE_OPEN);
    req->res.status = answer->status;
    req->res.reason = answer->reason.at != NULL ? exchange_copy(&x->super, answer->reason).at
                                                : exchange_reason(answer->status);
    front_set_headers(req, &answer->headers);
    bool bodiless = answer->status < 200 || answer->status == 204 || answer->status == 304;
    x->no_body = bodiless || x->head_only;
    if (length >= 0 && !bodiless)
        req->res.content_length = (size_t)length;
    if (answer->close || req->conn->ctx->shutdown_requested)
        req->http1_is_persistent = 0;
    if (front->options.keepalive_requests > 0 &&
        x->connection->request_count >= (uint64_t)front->options.keepalive_requests)
        req->http1_is_persistent = 0;
    if (length >= 0 || x->no_body || req->version >= 0x200)
        return;
    if (req->version == 0x101) {
        x->chunked = true;
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_TRANSFER_ENCODING, NULL,
                       H2O_STRLIT("chunked"));
    } else {
        req->http1_is_persistent = 0; /* the end of the connection is the end of the body */
    }
}

static h2o_timestamp_string_t *make_date(struct h2o_exchange *x)
{
    h2o_timestamp_string_t *date = h2o_mem_alloc_shared(&x->req->pool, sizeof(*date), NULL);

    memcpy(date->rfc1123, x->date.at, H2O_TIMESTR_RFC1123_LEN);
    date->rfc1123[H2O_TIMESTR_RFC1123_LEN] = '\0';
    date->log[0] = '\0';
    return date;
}

/*
 * The Date of an origin must not be changed on the way (RFC 9110, section 6.6.1), and h2o writes one without
 * asking: from a string it keeps for the current turn, in whose place ours stands while the head is made. An
 * origin whose clock is right mostly has the very same.
 */
static void send_pieces(struct h2o_exchange *x, h2o_iovec_t *pieces, size_t count, h2o_send_state_t state)
{
    h2o_context_t *context = x->req->conn->ctx;

    if (x->date.at == NULL) {
        h2o_send(x->req, pieces, count, state);
        return;
    }
    (void)h2o_get_timestamp(context, NULL, NULL); /* now, so that h2o does not do it in between */
    h2o_timestamp_string_t *usual = context->_timestamp_cache.value;
    if (memcmp(x->date.at, usual->rfc1123, H2O_TIMESTR_RFC1123_LEN) != 0)
        context->_timestamp_cache.value = make_date(x);
    x->date = STR_NONE;
    h2o_send(x->req, pieces, count, state);
    context->_timestamp_cache.value = usual;
}

static void keep_date(struct h2o_exchange *x, const struct exchange_answer *answer)
{
    const struct header *date =
        answer->keep_server_header ? headers_find(&answer->headers, STR("Date")) : NULL;

    if (date != NULL && date->value.len == H2O_TIMESTR_RFC1123_LEN)
        x->date = date->value;
}

/* The line before a chunk, written from its end. */
static h2o_iovec_t make_chunk_line(struct h2o_exchange *x, size_t size)
{
    char *end = x->chunk_line + sizeof(x->chunk_line);
    char *at = end;

    *--at = '\n';
    *--at = '\r';
    do
        *--at = "0123456789abcdef"[size & 15];
    while ((size >>= 4) > 0);
    return h2o_iovec_init(at, (size_t)(end - at));
}

/* Gives x->bytes to h2o. The exchange may be gone on return unless there is more to come. */
static void send_now(struct h2o_exchange *x)
{
    h2o_iovec_t pieces[3];
    size_t count = 0;
    struct str bytes = x->no_body ? STR_NONE : x->bytes;
    h2o_send_state_t state = H2O_SEND_STATE_IN_PROGRESS;

    if (x->more == EXCHANGE_LAST)
        state = H2O_SEND_STATE_FINAL;
    else if (x->more == EXCHANGE_BROKEN)
        state = H2O_SEND_STATE_ERROR;
    x->waiting = false;
    x->state = x->more == EXCHANGE_MORE ? EXCHANGE_WRITING : EXCHANGE_CLOSED;
    if (x->more != EXCHANGE_MORE)
        unwatch(x);
    if (x->chunked && bytes.len > 0) {
        pieces[count++] = make_chunk_line(x, bytes.len);
    }
    if (bytes.len > 0)
        pieces[count++] = h2o_iovec_init(bytes.at, bytes.len);
    if (x->chunked && x->more == EXCHANGE_LAST)
        pieces[count++] = bytes.len > 0 ? h2o_iovec_init(H2O_STRLIT("\r\n0\r\n\r\n"))
                                        : h2o_iovec_init(H2O_STRLIT("0\r\n\r\n"));
    else if (x->chunked && bytes.len > 0)
        pieces[count++] = h2o_iovec_init(H2O_STRLIT("\r\n"));
    send_pieces(x, pieces, count, state);
}

static void on_flush(h2o_timeout_entry_t *entry)
{
    struct h2o_exchange *x = H2O_STRUCT_FROM_MEMBER(struct h2o_exchange, flush, entry);

    assert(x->magic == EXCHANGE_MAGIC && x->state == EXCHANGE_HELD);
    x->state = EXCHANGE_WRITING;
    send_pieces(x, NULL, 0, H2O_SEND_STATE_IN_PROGRESS);
}

/* The client is gone: lets h2o find that out, by writing to it. */
void front_abandon(struct h2o_exchange *exchange)
{
    struct h2o_exchange *x = exchange;
    void (*on_gone)(struct exchange *, void *) = x->on_gone;
    struct exchange_answer answer;

    unwatch(x);
    x->on_gone = NULL;
    if (on_gone != NULL)
        on_gone(&x->super, x->on_gone_arg);
    if (x->state == EXCHANGE_OPEN) {
        exchange_answer_init(&x->super, &answer, 499);
        answer.close = true;
        exchange_reply(&x->super, &answer, STR_NONE);
    } else if (x->state != EXCHANGE_CLOSED) {
        x->on_sent = NULL;
        x->waiting = false;
        exchange_send(&x->super, STR_NONE, EXCHANGE_BROKEN, NULL, NULL);
    }
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct h2o_exchange *x = H2O_STRUCT_FROM_MEMBER(struct h2o_exchange, generator, generator);

    (void)req;
    assert(x->magic == EXCHANGE_MAGIC);
    if (x->state != EXCHANGE_WRITING)
        return;
    if (x->waiting) {
        send_now(x);
        return;
    }
    x->state = EXCHANGE_IDLE;
    if (x->leaving) {
        front_abandon(x);
        return;
    }
    if (x->on_sent != NULL) {
        void (*on_sent)(struct exchange *, void *) = x->on_sent;

        x->on_sent = NULL;
        on_sent(&x->super, x->on_sent_arg);
    }
}

static void backend_begin(struct exchange *exchange, const struct exchange_answer *answer, int64_t length)
{
    struct h2o_exchange *x = of(exchange);

    set_head(x, answer, length);
    keep_date(x, answer);
    x->generator.proceed = on_proceed;
    x->state = EXCHANGE_HELD;
    x->flush.cb = on_flush;
    h2o_timeout_link(x->req->conn->ctx->loop, &x->req->conn->ctx->zero_timeout, &x->flush);
    h2o_start_response(x->req, &x->generator);
}

static void backend_send(struct exchange *exchange, struct str bytes, enum exchange_more more,
                         void (*on_sent)(struct exchange *exchange, void *arg), void *arg)
{
    struct h2o_exchange *x = of(exchange);

    if (x->state == EXCHANGE_CLOSED)
        return;
    assert(x->state != EXCHANGE_OPEN && !x->waiting && x->on_sent == NULL);
    x->bytes = bytes;
    x->more = more;
    x->on_sent = more == EXCHANGE_MORE ? on_sent : NULL;
    x->on_sent_arg = arg;
    if (x->state == EXCHANGE_WRITING) {
        x->waiting = true; /* the head that went ahead is still being written */
        return;
    }
    h2o_timeout_unlink(&x->flush);
    send_now(x);
}

static void backend_reply(struct exchange *exchange, const struct exchange_answer *answer, struct str body)
{
    struct h2o_exchange *x = of(exchange);
    h2o_iovec_t bytes = h2o_iovec_init(body.at, body.len);

    if (x->state == EXCHANGE_CLOSED)
        return;
    set_head(x, answer, (int64_t)body.len);
    keep_date(x, answer);
    unwatch(x);
    x->state = EXCHANGE_CLOSED;
    h2o_start_response(x->req, &x->generator);
    send_pieces(x, &bytes, x->no_body || body.len == 0 ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void front_abandon_all(struct front_connection *connection)
{
    struct list *next;

    for (struct list *link = connection->exchanges.next; link != &connection->exchanges; link = next) {
        next = link->next;
        front_abandon(CONTAINER_OF(link, struct h2o_exchange, link));
    }
}

bool front_is_sending(const struct front_connection *connection)
{
    list_each (link, &connection->exchanges) {
        const struct h2o_exchange *x = CONTAINER_OF(link, struct h2o_exchange, link);

        if (x->state == EXCHANGE_WRITING || x->state == EXCHANGE_CLOSED)
            return true;
    }
    return false;
}

/* Since TLS 1.3 alerts look like data; their length gives them away, for no request begins with two bytes. */
static bool is_farewell(h2o_socket_t *sock, const unsigned char *head, size_t count)
{
    const char *version;

    if (head[0] != TLS_DATA || count < TLS_HEAD_BYTES)
        return head[0] == TLS_ALERT;
    version = h2o_socket_get_ssl_protocol_version(sock);
    return (head[3] << 8 | head[4]) == TLS_SEALED_ALERT_BYTES && version != NULL &&
           strcmp(version, "TLSv1.3") == 0;
}

static void on_client_event(h2o_socket_t *sock, const char *error)
{
    struct front_connection *connection = sock->on_close.data;
    struct h2o_exchange *x;
    unsigned char head[TLS_HEAD_BYTES];

    (void)error; /* not set: h2o does not read */
    if (list_is_empty(&connection->exchanges))
        return;
    x = CONTAINER_OF(connection->exchanges.next, struct h2o_exchange, link);
    if (!x->watching)
        return;
    ssize_t count = recv(h2o_socket_get_fd(sock), head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count > 0 && !(connection->tls && is_farewell(sock, head, (size_t)count))) {
        unwatch(x); /* the next request already: it stays in the kernel until this one is answered */
        return;
    }
    if (x->state != EXCHANGE_WRITING) {
        front_abandon(x);
        return;
    }
    unwatch(x); /* what h2o is writing is only lent: it ends or fails first */
    x->leaving = true;
}

static void backend_watch(struct exchange *exchange, void (*on_gone)(struct exchange *exchange, void *arg),
                          void *arg)
{
    struct h2o_exchange *x = of(exchange);

    x->on_gone = on_gone;
    x->on_gone_arg = arg;
    if (x->watching || x->req->version >= 0x200 || x->state != EXCHANGE_OPEN)
        return;
    x->watching = true;
    h2o_socket_dont_read(x->connection->sock, 1);
    h2o_socket_read_start(x->connection->sock, on_client_event);
}

static void on_upgraded(void *arg, h2o_socket_t *client, size_t request_size)
{
    struct pending_tunnel *pending = arg;

    if (client == NULL) {
        h2o_socket_close(pending->upstream);
        if (pending->options.on_end != NULL)
            pending->options.on_end(pending->options.arg, &(struct exchange_tunnel_sum){0});
    } else {
        h2o_buffer_consume(&client->input, request_size);
        tunnel_start(pending->connection->at->loop, client, pending->upstream, &pending->options,
                     &pending->connection->tunnel);
    }
    free(pending);
}

static void backend_tunnel(struct exchange *exchange, h2o_socket_t *upstream,
                           const struct exchange_tunnel *options)
{
    struct h2o_exchange *x = of(exchange);
    struct exchange_answer answer;
    struct pending_tunnel *pending = h2o_mem_alloc(sizeof(*pending));

    *pending = (struct pending_tunnel){x->connection, upstream, *options};
    exchange_answer_init(exchange, &answer, 101);
    answer.headers = *options->headers;
    set_head(x, &answer, /* length= */ -1);
    unwatch(x);
    x->state = EXCHANGE_CLOSED;
    h2o_http1_upgrade(x->req, NULL, 0, on_upgraded, pending);
}

static const struct exchange_backend h2o_backend = {
    .alloc = backend_alloc,
    .watch = backend_watch,
    .reply = backend_reply,
    .begin = backend_begin,
    .send = backend_send,
    .outcome = backend_outcome,
    .tunnel = backend_tunnel,
};

/* The request is gone. Nothing of h2o's uses the exchange's memory any more. */
static void on_dispose(void *memory)
{
    struct h2o_exchange *x = *(struct h2o_exchange **)memory;

    unwatch(x);
    h2o_timeout_unlink(&x->flush);

    bool answered = x->state == EXCHANGE_CLOSED;
    x->state = EXCHANGE_CLOSED;
    if (list_is_linked(&x->link)) {
        list_remove(&x->link);
        if (x->connection->h2.spoken)
            h2_watch_end(x->connection, answered);
    }
    exchange_run_ends(&x->super);
    x->magic = 0;
    arena_give(x->arenas, x->arena);
}

struct exchange *front_exchange_new(h2o_req_t *req, const struct exchange_backend *backend, void *below)
{
    struct front_connection *connection = req->conn->callbacks->get_socket(req->conn)->on_close.data;
    struct arena *arena = arena_take(&connection->at->arenas);
    struct h2o_exchange *x = arena_alloc(arena, sizeof(*x));

    assert(x != NULL); /* it is the first */
    *(struct h2o_exchange **)h2o_mem_alloc_shared(&req->pool, sizeof(void *), on_dispose) = x;
    memset(x, 0, sizeof(*x));
    x->magic = EXCHANGE_MAGIC;
    x->arena = arena;
    x->arenas = &connection->at->arenas;
    x->super.backend = backend != NULL ? backend : &h2o_backend;
    x->super.below = below;
    x->super.loop = connection->at->loop;
    x->req = req;
    x->connection = connection;
    x->bytes_before = connection->sock->bytes_written;
    front_read_request(req, connection, &x->super);
    x->head_only = str_equal(x->super.request.method, STR("HEAD"));
    x->super.peer_subject = exchange_copy(&x->super, str_of(connection->peer_subject)).at;
    x->super.peer_problem = connection->peer_problem;
    return &x->super;
}

static void refuse(struct h2o_exchange *x, struct front_server *server, struct guard_refusal refusal)
{
    struct exchange_answer answer;

    metrics_add(METRIC_HTTP_REJECTED, 1);
    x->req->http1_is_persistent = 0;
    front_close_gently(x->req);
    if (server->refuse != NULL) {
        server->refuse(&x->super, refusal.status, refusal.text, server->arg);
        return;
    }
    exchange_answer_init(&x->super, &answer, refusal.status);
    headers_add(&answer.headers, STR("Content-Type"), STR("text/plain; charset=utf-8"));
    exchange_reply(&x->super, &answer, str_of(refusal.text));
}

int front_on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    struct front_server *server = ((struct front_handler *)(void *)handler)->server;
    struct guard_refusal refusal = front_bound_head(req, &server->front->limits);
    struct h2o_exchange *x = of(front_exchange_new(req, NULL, NULL));
    struct exchange_request *request = &x->super.request;
    struct guard_request checked;

    list_add_last(&x->connection->exchanges, &x->link);
    x->super.request.requests = (uint32_t)++x->connection->request_count;
    (void)atomic_fetch_add_explicit(&x->connection->at->requests, 1, memory_order_relaxed);
    if (refusal.status == 0)
        refusal = front_check(req, x->connection, &x->super, &checked);
    if (refusal.status == 0 && req->entity.len > server->front->options.max_body_bytes)
        refusal = (struct guard_refusal){413, "Payload too large"};
    if (refusal.status == 0 && front_has_lost_body(req))
        refusal = (struct guard_refusal){500, "An unexpected error occurred"};
    if (refusal.status != 0) {
        refuse(x, server, refusal);
        return 0;
    }
    if (checked.close)
        req->http1_is_persistent = 0;
    request->has_length = checked.has_length;
    request->chunked = checked.chunked;
    request->expects_continue = checked.expects_continue;
    request->target = checked.target;
    request->host = checked.host;
    front_split_target(request);
    server->handle(&x->super, server->arg);
    return 0;
}
