/*
 * client - see client.h.
 *
 * A connection is polled for reading from its first request to its end, and h2o never reads from it: an
 * event makes one recv(2), into the socket's input buffer or through tls_reader.c. A request that fits into
 * one slice goes to the kernel directly. It thus costs one send and one recv, no change of epoll, no turn of
 * h2o's for having been written. Under TLS h2o has to write.
 *
 * What on_body lends is the input buffer itself; until client_consume() nothing may touch it, so an event
 * meanwhile stops the polling, which is the back-pressure.
 */

#include "gateway/http/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <h2o.h>

#include "gateway/base/metrics.h"
#include "gateway/http/at_once.h"
#include "gateway/http/chunked.h"
#include "gateway/http/client_dial.h"
#include "gateway/http/client_pool.h"
#include "gateway/http/exchange_backend.h"
#include "gateway/http/response_head.h"
#include "gateway/http/socket_option.h"
#include "gateway/http/tls_reader.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

enum {
    CLIENT_MAGIC = 0x636c6e74,
    FIRST_READ_BYTES = 4096, /* h2o recycles buffers of this size */
    LONG_READ_BYTES = 64 * 1024,
    WRITE_SLICE_BYTES = 256 * 1024, /* the write deadline starts anew after each */
    MAX_INTERIM_HEADS = 16,
};

enum client_state {
    CLIENT_UNSTARTABLE, /* no socket; the timer reports it */
    CLIENT_CONNECTING,  /* dial, connect deadline; TLS handshake included */
    CLIENT_AWAITING,    /* upstream; the request may still be being written; no final head yet */
    CLIENT_RECEIVING,   /* upstream; body bytes are awaited, or lent */
    CLIENT_SWITCHED,    /* upstream; 101: client_tunnel() or client_cancel() is to come */
    CLIENT_ENDED,       /* nothing */
};

enum body_kind {
    BODY_NONE,
    BODY_COUNTED,
    BODY_CHUNKED,
    BODY_UNTIL_CLOSE
};

struct client {
    uint32_t magic;
    enum client_state state;
    struct client_pool *pool;
    struct client_target *target;
    struct exchange *exchange;
    struct exchange_end exchange_end;
    struct client_request request;
    const struct client_callbacks *callbacks;
    void *arg;
    struct client_dial dial;
    struct upstream *upstream;
    struct timer timer;
    bool reused;
    bool writing; /* h2o holds pieces of the request */
    bool write_failed;
    bool timer_is_write;
    size_t body_written;
    uint64_t acknowledged; /* by the upstream, of a body of several slices, when last looked at */
    enum client_failure start_failure;
    /* the answer */
    struct response_head_scan scan;
    int interim_count;
    bool keep_alive;
    enum body_kind kind;
    int64_t left; /* BODY_COUNTED */
    struct chunked chunked;
    bool lent, lent_last;
    size_t lent_raw; /* bytes of the input buffer behind what is lent, coding included */
};

static void on_readable(h2o_socket_t *sock, const char *error);

static struct loop *loop_of(const struct client *client)
{
    return client_pool_loop(client->pool);
}

static void end(struct client *client)
{
    client->state = CLIENT_ENDED;
    timer_stop(&client->timer);
    client_dial_stop(&client->dial);
    client->upstream = NULL;
    if (client->target != NULL)
        client_target_release(client->target);
    client->target = NULL;
}

static void end_and_close(struct client *client)
{
    struct upstream *upstream = client->upstream;

    end(client);
    if (upstream != NULL)
        upstream_close(upstream);
}

static void fail(struct client *client, enum client_failure failure)
{
    if (client->state == CLIENT_RECEIVING)
        failure = CLIENT_CUT;
    end_and_close(client);
    client->callbacks->on_failure(client, failure, client->arg);
}

static void pause_reading(struct upstream *upstream)
{
    if (upstream->read_paused)
        return;
    upstream->read_paused = true;
    h2o_socket_read_stop(upstream->sock);
}

static void resume_reading(struct upstream *upstream)
{
    if (!upstream->read_paused)
        return;
    upstream->read_paused = false;
    h2o_socket_read_start(upstream->sock, on_readable);
}

/* Whether bytes, or the end, have come of which no event has told yet: they are nobody's. */
static bool has_more(const struct upstream *upstream)
{
    char byte;

    return recv(h2o_socket_get_fd(upstream->sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* The answer is complete and consumed: the connection goes back, or is closed if anything about it is odd. */
static void finish(struct client *client)
{
    struct upstream *upstream = client->upstream;
    bool keep = client->keep_alive && !client->writing && !client->write_failed && !upstream->eventful &&
                !upstream->read_paused && upstream->sock->input->size == client->lent_raw &&
                !(upstream->read_full && has_more(upstream));

    end(client);
    upstream->client = NULL;
    if (!keep) {
        upstream_close(upstream);
        return;
    }
    h2o_buffer_consume(&upstream->sock->input, client->lent_raw);
    client_pool_give(upstream);
}

static bool is_long(const struct client *client)
{
    return client->request.body.len > WRITE_SLICE_BYTES;
}

/* The kernel takes megabytes at once: an upstream may be busy with them long after the last write. */
static bool is_taking(struct client *client)
{
    if (!is_long(client))
        return false;
    uint64_t before = client->acknowledged;
    client->acknowledged = socket_option_acknowledged(client->upstream->sock);
    return client->acknowledged > before;
}

static void await(struct client *client, int timeout_ms);

static void on_due(struct timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, timer);

    assert(client->magic == CLIENT_MAGIC);
    switch (client->state) {
    case CLIENT_UNSTARTABLE:
        fail(client, client->start_failure);
        break;
    case CLIENT_CONNECTING:
        fail(client, CLIENT_CONNECT_TIMEOUT);
        break;
    case CLIENT_AWAITING:
        if (is_taking(client))
            await(client, client->writing ? client->request.write_ms : client->request.read_ms);
        else
            fail(client, CLIENT_TIMEOUT);
        break;
    case CLIENT_RECEIVING:
        fail(client, CLIENT_TIMEOUT);
        break;
    case CLIENT_SWITCHED:
    case CLIENT_ENDED:
        break;
    }
}

static void await(struct client *client, int timeout_ms)
{
    if (timeout_ms > 0)
        timer_start(loop_of(client), &client->timer, timeout_ms, on_due);
    else
        timer_stop(&client->timer);
}

static void lend(struct client *client, size_t length, size_t raw, bool last)
{
    struct str bytes = {client->upstream->sock->input->bytes, length};

    client->lent = true;
    client->lent_last = last;
    client->lent_raw = raw;
    timer_stop(&client->timer); /* from here on it is our client who is slow */
    client->callbacks->on_body(client, bytes, last, client->arg);
}

static void lend_counted(struct client *client)
{
    size_t available = client->upstream->sock->input->size;
    size_t length = client->left < (int64_t)available ? (size_t)client->left : available;

    if (length == 0 && client->left > 0) {
        await(client, client->request.read_ms);
        return;
    }
    client->left -= (int64_t)length;
    lend(client, length, length, client->left == 0);
}

static void lend_chunked(struct client *client)
{
    h2o_buffer_t *input = client->upstream->sock->input;
    size_t decoded;
    size_t used;

    switch (chunked_decode(&client->chunked, input->bytes, input->size, &decoded, &used)) {
    case CHUNKED_BAD:
        fail(client, CLIENT_CUT);
        return;
    case CHUNKED_DONE:
        lend(client, decoded, used, true);
        return;
    case CHUNKED_MORE:
        break;
    }
    if (decoded > 0) {
        lend(client, decoded, used, false);
        return;
    }
    h2o_buffer_consume(&client->upstream->sock->input, used);
    await(client, client->request.read_ms);
}

/* Passes on what has come of the body. */
static void deliver(struct client *client)
{
    size_t available = client->upstream->sock->input->size;

    switch (client->kind) {
    case BODY_NONE:
        lend(client, 0, 0, true);
        break;
    case BODY_COUNTED:
        lend_counted(client);
        break;
    case BODY_CHUNKED:
        lend_chunked(client);
        break;
    case BODY_UNTIL_CLOSE:
        if (available > 0)
            lend(client, available, available, false);
        else
            await(client, client->request.read_ms);
        break;
    }
}

static void settle_body(struct client *client, const struct response_head *head)
{
    /* A 204 that announces a body may send it: behind it nobody knows where an answer begins. */
    client->keep_alive =
        head->keep_alive && (head->status != 204 || (!head->chunked && head->content_length <= 0));
    if (client->request.head_only || head->status < 200 || head->status == 204 || head->status == 304) {
        client->kind = BODY_NONE;
    } else if (head->chunked) {
        client->kind = BODY_CHUNKED;
    } else if (head->content_length >= 0) {
        client->kind = head->content_length == 0 ? BODY_NONE : BODY_COUNTED;
        client->left = head->content_length;
    } else {
        client->kind = BODY_UNTIL_CLOSE;
        client->keep_alive = false;
    }
}

/* The head in the exchange's memory, told to the owner. False: the client is gone. */
static bool tell_head(struct client *client, const struct response_head *head, const struct header *lines)
{
    struct client_head told = {.status = head->status, .reason = head->reason, .version = head->version};
    size_t capacity = head->line_count + 12; /* room for what a gateway adds */

    told.headers.owner = client->exchange;
    told.headers.at = exchange_alloc(client->exchange, capacity * sizeof(*lines));
    told.headers.count = head->line_count;
    told.headers.capacity = capacity;
    memcpy(told.headers.at, lines, head->line_count * sizeof(*lines));
    told.upgraded = head->status == 101;
    if (told.upgraded) {
        client->state = CLIENT_SWITCHED;
        timer_stop(&client->timer);
        pause_reading(client->upstream);
    } else {
        client->state = CLIENT_RECEIVING;
        settle_body(client, head);
        told.has_body = client->kind != BODY_NONE;
        told.body_length = client->kind == BODY_NONE && !client->request.head_only ? 0 : head->content_length;
    }
    client->callbacks->on_head(client, &told, client->arg);
    return client->state == CLIENT_RECEIVING;
}

/*
 * Only to what was asked for; and what is left of a request would go to the new protocol, from memory that
 * ends with the exchange.
 */
static bool may_switch(const struct client *client, const struct header *lines, size_t count)
{
    const struct str asked = client->request.upgrade;
    bool agreed = false;

    for (size_t i = 0; i < count && asked.at != NULL; i++)
        if (str_equal_nocase(lines[i].name, STR("upgrade")))
            agreed = str_equal_nocase(lines[i].value, asked);
    return agreed && !client->writing && !client->write_failed &&
           client->body_written == client->request.body.len;
}

/* One head of `length` bytes stands at the start of the input. False: there is nothing further to do now. */
static bool take_head(struct client *client, size_t length)
{
    struct header lines[RESPONSE_HEAD_MAX_LINES];
    struct response_head head;
    h2o_buffer_t **input = &client->upstream->sock->input;
    struct str text = exchange_copy(client->exchange, (struct str){(*input)->bytes, length});

    client->scan = (struct response_head_scan){0};
    if (!response_head_parse(text, lines, &head))
        goto bad;
    h2o_buffer_consume(input, length);
    if (head.status == 101 && !may_switch(client, lines, head.line_count))
        goto bad;
    if (head.status < 200 && head.status != 101) {
        if (++client->interim_count > MAX_INTERIM_HEADS)
            goto bad;
        return true;
    }
    if (tell_head(client, &head, lines))
        deliver(client);
    return false;
bad:
    fail(client, CLIENT_BAD_ANSWER);
    return false;
}

/* Bytes have come. */
static void advance(struct client *client)
{
    size_t length;

    if (client->state == CLIENT_RECEIVING) {
        deliver(client);
        return;
    }
    while (client->state == CLIENT_AWAITING) {
        h2o_buffer_t *input = client->upstream->sock->input;

        if (input->size == 0)
            return;
        switch (response_head_find(&client->scan, (struct str){input->bytes, input->size}, &length)) {
        case RESPONSE_HEAD_BAD:
            fail(client, CLIENT_BAD_ANSWER);
            return;
        case RESPONSE_HEAD_PARTIAL:
            return; /* the deadline is for the whole head: a trickle does not prolong it */
        case RESPONSE_HEAD_WHOLE:
            break;
        }
        if (!take_head(client, length))
            return;
    }
}

/* A clean end is one of the sender's making: no reset, no broken record. */
static void on_end(struct client *client, bool is_clean)
{
    struct upstream *upstream = client->upstream;

    if (client->state == CLIENT_RECEIVING && client->kind == BODY_UNTIL_CLOSE && is_clean) {
        pause_reading(upstream);
        lend(client, 0, 0, true);
        return;
    }
    if (client->reused && upstream->sock->input->size == 0 && client->interim_count == 0)
        fail(client, CLIENT_STALE);
    else
        fail(client, CLIENT_RESET);
}

/* *room_bytes: how much it asked for. */
static ssize_t read_plain(struct upstream *upstream, size_t *room_bytes)
{
    h2o_iovec_t room = h2o_buffer_reserve(&upstream->sock->input, upstream->read_bytes);
    ssize_t count;

    errno = ENOMEM;
    if (room.base == NULL)
        return -1;
    *room_bytes = room.len;
    do
        count = recv(h2o_socket_get_fd(upstream->sock), room.base, room.len, 0);
    while (count < 0 && errno == EINTR);
    upstream->sock->input->size += count > 0 ? (size_t)count : 0;
    return count;
}

/* As read(2). Under TLS no byte of the content need have come. */
static ssize_t read_some(struct upstream *upstream)
{
    size_t room_bytes = upstream->read_bytes;
    ssize_t count = upstream->tls != NULL ? tls_reader_read(upstream->tls, room_bytes)
                                          : read_plain(upstream, &room_bytes);

    if (count <= 0)
        return count;
    upstream->read_full = (size_t)count == room_bytes;
    upstream->read_bytes = upstream->read_full ? LONG_READ_BYTES : FIRST_READ_BYTES;
    return count;
}

/* Closed by the other side, or bytes that nobody asked for. A TLS session ticket is no reason to close. */
static void on_idle_event(struct upstream *upstream)
{
    ssize_t count = upstream->tls != NULL ? read_some(upstream) : 0;

    if (count == 0 || (count < 0 && errno != EAGAIN) || upstream->sock->input->size > 0)
        upstream_close(upstream);
}

static void on_readable(h2o_socket_t *sock, const char *error)
{
    struct upstream *upstream = sock->data;
    struct client *client = upstream->client;

    (void)error; /* not set: h2o does not read */
    if (client == NULL) {
        on_idle_event(upstream);
        return;
    }
    assert(client->magic == CLIENT_MAGIC);
    if (client->lent) {
        upstream->eventful = client->lent_last;
        pause_reading(upstream);
        return;
    }
    ssize_t count = read_some(upstream);
    if (count > 0)
        advance(client);
    else if (count == 0 || errno != EAGAIN)
        on_end(client, /* is_clean= */ count == 0);
}

static void write_slice(struct client *client);

static void on_written(h2o_socket_t *sock, const char *error)
{
    struct upstream *upstream = sock->data;
    struct client *client = upstream->client;

    if (client == NULL)
        return;
    assert(client->magic == CLIENT_MAGIC);
    client->writing = false;
    if (error != NULL) {
        client->write_failed = true; /* an early answer may be on its way; otherwise the next event tells */
    } else if (client->body_written < client->request.body.len) {
        write_slice(client);
        return;
    }
    if (client->state == CLIENT_AWAITING)
        await(client, client->request.read_ms);
}

static void write_slice(struct client *client)
{
    const struct client_request *request = &client->request;
    h2o_iovec_t pieces[AT_ONCE_PIECES];
    size_t count = 0;
    size_t left = request->body.len - client->body_written;
    size_t length = left < WRITE_SLICE_BYTES ? left : WRITE_SLICE_BYTES;

    if (client->body_written == 0)
        pieces[count++] = h2o_iovec_init(request->head.at, request->head.len);
    if (length > 0)
        pieces[count++] = h2o_iovec_init(request->body.at + client->body_written, length);
    client->body_written += length;
    if (!client->upstream->tls && !is_long(client))
        count = at_once_write(client->upstream->sock, pieces, count);
    client->writing = count > 0;
    if (is_long(client))
        client->acknowledged = socket_option_acknowledged(client->upstream->sock);
    if (client->state == CLIENT_AWAITING)
        await(client, client->writing ? request->write_ms : request->read_ms);
    if (client->writing)
        h2o_socket_write(client->upstream->sock, pieces, count, on_written);
}

/* Reading first: an answer may come before the request is out. */
static void begin(struct client *client, struct upstream *upstream)
{
    client->state = CLIENT_AWAITING;
    client->upstream = upstream;
    upstream->client = client;
    upstream->request_count++;
    upstream->eventful = false;
    upstream->read_full = false;
    upstream->read_bytes = FIRST_READ_BYTES;
    resume_reading(upstream);
    write_slice(client);
}

static void on_connected(struct client_dial *dial, h2o_socket_t *sock)
{
    struct client *client = CONTAINER_OF(dial, struct client, dial);

    assert(client->magic == CLIENT_MAGIC);
    begin(client, upstream_new(client->target, sock, dial->ssl));
}

static void on_dial_failed(struct client_dial *dial, enum client_failure failure)
{
    struct client *client = CONTAINER_OF(dial, struct client, dial);

    assert(client->magic == CLIENT_MAGIC);
    fail(client, failure);
}

static void connect_new(struct client *client)
{
    client->dial = (struct client_dial){
        .loop = loop_of(client),
        .request = &client->request,
        .tls = client_target_tls(client->target),
        .on_connected = on_connected,
        .on_failed = on_dial_failed,
    };
    client->state = CLIENT_CONNECTING;
    if (client_dial_start(&client->dial, &client->start_failure)) {
        await(client, client->request.connect_ms);
        return;
    }
    client->state = CLIENT_UNSTARTABLE;
    await(client, 1);
}

static void on_exchange_end(struct exchange_end *link)
{
    struct client *client = CONTAINER_OF(link, struct client, exchange_end);

    assert(client->magic == CLIENT_MAGIC);
    if (client->state == CLIENT_RECEIVING && client->lent && client->lent_last)
        finish(client);
    else
        client_cancel(client);
}

struct client *client_start(struct client_pool *pool, struct exchange *exchange,
                            const struct client_request *request, const struct client_callbacks *callbacks,
                            void *arg)
{
    struct client *client = exchange_alloc(exchange, sizeof(*client));

    memset(client, 0, sizeof(*client));
    client->magic = CLIENT_MAGIC;
    client->pool = pool;
    client->exchange = exchange;
    client->request = *request;
    client->callbacks = callbacks;
    client->arg = arg;
    client->exchange_end.on_end = on_exchange_end;
    exchange_on_end(exchange, &client->exchange_end);
    client->target = client_pool_hold(pool, request);
    if (client->target == NULL) {
        client->state = CLIENT_UNSTARTABLE;
        client->start_failure = CLIENT_TLS_FAILED;
        await(client, 1);
        return client;
    }
    struct upstream *upstream = request->fresh ? NULL : client_pool_take(client->target);
    if (upstream == NULL) {
        connect_new(client);
        return client;
    }
    metrics_add(METRIC_UPSTREAM_REUSES, 1);
    client->reused = true;
    begin(client, upstream);
    return client;
}

void client_consume(struct client *client)
{
    if (client->state != CLIENT_RECEIVING || !client->lent)
        return;
    if (client->lent_last) {
        finish(client);
        return;
    }
    h2o_buffer_consume(&client->upstream->sock->input, client->lent_raw);
    client->lent = false;
    resume_reading(client->upstream);
    await(client, client->request.read_ms);
}

void client_cancel(struct client *client)
{
    if (client->state != CLIENT_ENDED)
        end_and_close(client);
}

void client_tunnel(struct client *client, const struct exchange_tunnel *options)
{
    struct upstream *upstream = client->upstream;
    h2o_socket_t *sock = upstream_give_socket(upstream);

    assert(client->state == CLIENT_SWITCHED);
    end(client);
    upstream_close(upstream);
    client->exchange->backend->tunnel(client->exchange, sock, options);
}

bool client_was_reused(const struct client *client)
{
    return client->reused;
}

const char *client_failure_text(enum client_failure failure)
{
    switch (failure) {
    case CLIENT_SHORTAGE:
        return "no connection could be begun";
    case CLIENT_REFUSED:
        return "connection refused";
    case CLIENT_CONNECT_TIMEOUT:
        return "connecting took too long";
    case CLIENT_TLS_FAILED:
        return "TLS handshake failed";
    case CLIENT_STALE:
        return "kept connection was closed";
    case CLIENT_RESET:
        return "connection broke before the answer";
    case CLIENT_TIMEOUT:
        return "no answer in time";
    case CLIENT_BAD_ANSWER:
        return "answer is not valid HTTP";
    case CLIENT_CUT:
        return "connection broke inside the answer";
    }
    return "unknown";
}
