/*
 * h2_watch - see h2_watch.h.
 */

#include "gateway/http/h2_watch.h"

#include <inttypes.h>
#include <sys/socket.h>

#include <h2o.h>
#include <openssl/bio.h>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/http/front.h"

enum {
    TICK_MS = 20,
    TAKEN_BACK_MAX = 100, /* and more than half */
    UNFINISHED_BYTES_MAX = 64 * 1024 * 1024,
    HEAD_ALLOWANCE = 1024, /* for a request's frames */
    RECORD_SHARE = 16,     /* frames and records are less than a 16th of what is in them */
    USUAL_DEADLINE_MS = 60 * 1000,
};

/* h2o keeps its own part of the connection until it reads the end. */
void h2_watch_cut(struct front_connection *connection, const char *why)
{
    if (connection->h2.cut)
        return;
    connection->h2.cut = true;
    log_info("http: a connection is cut; peer=%s requests=%" PRIu64 " taken_back=%" PRIu64 " reason=\"%s\"",
             connection->peer_address, connection->request_count, connection->h2.taken_back, why);
    metrics_add(METRIC_HTTP_REJECTED, 1);
    (void)shutdown(h2o_socket_get_fd(connection->sock), SHUT_RDWR); /* fails when the peer was faster */
}

/* What has come in and is not with an exchange: heads and bodies under way, wherever h2o keeps them. */
static uint64_t received(const struct front_connection *connection)
{
    return BIO_number_read(SSL_get_rbio(connection->h2.ssl));
}

/* NULL: none. */
static const char *trouble_of(const struct front_connection *connection, int64_t now_ms)
{
    const struct http_front_options *options = &connection->at->front->options;
    int64_t quiet_ms = options->request_timeout_ms > 0 ? options->request_timeout_ms : USUAL_DEADLINE_MS;

    if (received(connection) > connection->h2.credited + UNFINISHED_BYTES_MAX)
        return "too much is under way";
    if (list_is_empty(&connection->exchanges) && now_ms - connection->h2.active_ms > quiet_ms)
        return "no request in time";
    if (options->write_timeout_ms > 0 && front_is_sending(connection) &&
        now_ms - connection->h2.written_ms > options->write_timeout_ms)
        return "an answer is not taken";
    return NULL;
}

static void look_at(struct front_connection *connection, int64_t now_ms)
{
    if (connection->sock->bytes_written != connection->h2.written || !front_is_sending(connection)) {
        connection->h2.written = connection->sock->bytes_written;
        connection->h2.written_ms = now_ms;
    }
    const char *trouble = trouble_of(connection, now_ms);
    if (trouble != NULL)
        h2_watch_cut(connection, trouble);
}

static void on_tick(struct timer *timer)
{
    struct front_loop *at = CONTAINER_OF(timer, struct front_loop, h2_tick);
    int64_t now_ms = loop_now_ms(at->loop);

    list_each (link, &at->connections) {
        struct front_connection *connection = CONTAINER_OF(link, struct front_connection, link);

        if (connection->h2.spoken)
            look_at(connection, now_ms);
    }
    if (at->h2_count > 0)
        timer_start(at->loop, &at->h2_tick, TICK_MS, on_tick);
}

void h2_watch_start(struct front_connection *connection, SSL *ssl)
{
    struct front_loop *at = connection->at;

    connection->h2.spoken = true;
    connection->h2.ssl = ssl;
    connection->h2.active_ms = connection->h2.written_ms = loop_now_ms(at->loop);
    if (at->h2_count++ == 0)
        timer_start(at->loop, &at->h2_tick, TICK_MS, on_tick);
}

/* Credit cannot be saved up: what is left of it is gone. */
bool h2_watch_begin(struct front_connection *connection, size_t bytes)
{
    uint64_t all = received(connection);
    uint64_t credit = connection->h2.credited + bytes + bytes / RECORD_SHARE + HEAD_ALLOWANCE;

    connection->h2.credited = credit < all ? credit : all;
    connection->h2.active_ms = loop_now_ms(connection->at->loop);
    return !connection->h2.cut;
}

void h2_watch_end(struct front_connection *connection, bool answered)
{
    connection->h2.active_ms = loop_now_ms(connection->at->loop);
    if (answered)
        return;
    connection->h2.taken_back++;
    if (connection->h2.taken_back > TAKEN_BACK_MAX &&
        connection->h2.taken_back > connection->request_count / 2)
        h2_watch_cut(connection, "most requests are taken back");
}

/* h2o says it twice, a second apart, so that what is on its way meanwhile is still taken. */
void h2_watch_drain(struct front_loop *at)
{
    if (at->h2_count > 0)
        at->context.globalconf->http2.callbacks.request_shutdown(&at->context);
}

void h2_watch_end_loop(struct front_loop *at)
{
    h2o_timeout_unlink(&at->context.http2._graceful_shutdown_timeout);
}

void h2_watch_forget(struct front_connection *connection)
{
    struct front_loop *at = connection->at;

    if (connection->h2.spoken && --at->h2_count == 0)
        timer_stop(&at->h2_tick);
}
