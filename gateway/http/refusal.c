/*
 * refusal - gives errors that h2o answers by itself the look of the server they happen on.
 *
 * h2o answers a body that is too large, a bad Content-Length or an unknown expectation before any handler
 * runs, through the fallback path of its host. A filter there asks the server's refuse() for an answer, which
 * it writes into an exchange that records instead of sending, and puts that in place of h2o's.
 */

#include <h2o.h>

#include "gateway/base/metrics.h"
#include "gateway/http/exchange_backend.h"
#include "gateway/http/front.h"

struct dressing_filter {
    h2o_filter_t super;
    struct front_server *server;
};

struct dressed_stream {
    h2o_ostream_t super;
    struct str body;
};

/* Where the recording exchange leaves the answer: on the stack of dress(), which outlives the recording. */
struct recorded {
    h2o_req_t *req;
    bool answered;
    struct str body;
};

static const char *text_of(int status)
{
    switch (status) {
    case 413:
        return "Payload too large";
    case 417:
        return "Expectation failed";
    case 500:
        return "An unexpected error occurred";
    default:
        return "Bad request";
    }
}

static void *record_alloc(struct exchange *exchange, size_t size)
{
    struct recorded *recorded = exchange->below;

    return h2o_mem_alloc_pool(&recorded->req->pool, size);
}

static void record_reply(struct exchange *exchange, const struct exchange_answer *answer, struct str body)
{
    struct recorded *recorded = exchange->below;

    recorded->answered = true;
    recorded->body = exchange_copy(exchange, body);
    recorded->req->res.status = answer->status;
    recorded->req->res.reason = exchange_reason(answer->status);
    front_set_headers(recorded->req, &answer->headers);
}

static void record_nothing(struct exchange *exchange, void (*on_gone)(struct exchange *exchange, void *arg),
                           void *arg)
{
    (void)exchange;
    (void)on_gone;
    (void)arg;
}

static void record_outcome(const struct exchange *exchange, struct exchange_outcome *outcome)
{
    const struct recorded *recorded = exchange->below;

    outcome->status = recorded->req->res.status;
    outcome->body_sent = recorded->body.len; /* soon */
    front_read_tls(exchange, outcome);
}

/* A refusal is one whole answer: streaming and tunnels do not occur. */
static const struct exchange_backend recorder = {
    .alloc = record_alloc,
    .watch = record_nothing,
    .reply = record_reply,
    .outcome = record_outcome,
};

static void send_dressed(h2o_ostream_t *super, h2o_req_t *req, h2o_iovec_t *pieces, size_t count,
                         h2o_send_state_t state)
{
    struct dressed_stream *stream = (void *)super;
    h2o_iovec_t body = h2o_iovec_init(stream->body.at, stream->body.len);

    (void)pieces;
    h2o_ostream_send_next(super, req, &body, count > 0 && body.len > 0 ? 1 : 0, state);
}

static void dress(h2o_filter_t *super, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct front_server *server = ((struct dressing_filter *)(void *)super)->server;
    struct recorded recorded = {.req = req};

    front_close_gently(req);
    if (server->refuse != NULL && req->res.status >= 400) {
        struct exchange *exchange = front_exchange_new(req, &recorder, &recorded);

        metrics_add(METRIC_HTTP_REJECTED, 1);
        server->refuse(exchange, req->res.status, text_of(req->res.status), server->arg);
        exchange_run_ends(exchange);
    }
    if (recorded.answered) {
        struct dressed_stream *stream = (void *)h2o_add_ostream(req, sizeof(*stream), slot);

        stream->super.do_send = send_dressed;
        stream->body = recorded.body;
        req->res.content_length = recorded.body.len;
        slot = &stream->super.next;
    }
    h2o_setup_next_ostream(req, slot);
}

void front_close_gently(h2o_req_t *req)
{
    struct front_connection *connection = req->conn->callbacks->get_socket(req->conn)->on_close.data;

    if (req->version < 0x200 && connection->lingering == NULL)
        connection->lingering = lingering_prepare(&connection->at->lingering, connection->sock);
}

bool front_has_lost_body(const h2o_req_t *req)
{
    if (req->version >= 0x200)
        return spool_is_lost_body(req->entity);
    return spool_is_lost(req->conn->callbacks->get_socket(req->conn)->input);
}

/* As h2o itself does it when a body turns out too large. Its reader is not called any more, and its deadline
 * stays: that of the answer. */
static int refuse_lost(h2o_req_t *req, void *arg)
{
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    const struct front_connection *connection = sock->on_close.data;

    (void)arg;
    if (!spool_is_lost(sock->input) || !list_is_empty(&connection->exchanges) || h2o_socket_is_writing(sock))
        return 0;
    h2o_socket_read_stop(sock);
    h2o_send_error_generic(req, 500, "Internal Server Error", "An unexpected error occurred",
                           H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
    return 0;
}

void front_refuse_lost(struct front_loop *at)
{
    (void)at->front->conf.http1.callbacks.foreach_request(&at->context, refuse_lost, NULL);
}

void front_dress_errors(struct front_server *server, h2o_pathconf_t *path)
{
    struct dressing_filter *filter = (void *)h2o_create_filter(path, sizeof(*filter));

    filter->super.on_setup_ostream = dress;
    filter->server = server;
}
