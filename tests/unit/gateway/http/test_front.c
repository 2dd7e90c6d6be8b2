/*
 * The front, seen from a socket: what is let in, what is refused, how answers are framed, how connections
 * end.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/unit/gateway/http/relay.h"

static char got[1 << 20];

struct streaming {
    struct exchange *exchange;
    int left;
    struct exchange_end end;
    struct relay *relay;
};

static void send_next(struct exchange *exchange, void *arg)
{
    struct streaming *streaming = arg;

    if (--streaming->left == 0)
        exchange_send(exchange, STR("end"), EXCHANGE_LAST, NULL, NULL);
    else
        exchange_send(exchange, STR("piece,"), EXCHANGE_MORE, send_next, streaming);
}

static void on_end(struct exchange_end *end)
{
    struct streaming *streaming = CONTAINER_OF(end, struct streaming, end);
    struct exchange_outcome outcome;

    exchange_read_outcome(streaming->exchange, &outcome);
    atomic_store(&streaming->relay->bytes_sent, (long long)outcome.bytes_sent);
    atomic_fetch_add(&streaming->relay->ended, 1);
}

static void stream(struct relay *relay, struct exchange *exchange, int status, int64_t length)
{
    struct streaming *streaming = exchange_alloc(exchange, sizeof(*streaming));
    struct exchange_answer answer;

    *streaming = (struct streaming){.exchange = exchange, .left = 2, .relay = relay};
    streaming->end.on_end = on_end;
    exchange_on_end(exchange, &streaming->end);
    exchange_answer_init(exchange, &answer, status);
    exchange_begin(exchange, &answer, length);
    exchange_send(exchange, STR("piece,"), EXCHANGE_MORE, send_next, streaming);
}

static void on_gone(struct exchange *exchange, void *arg)
{
    struct relay *relay = arg;

    (void)exchange;
    atomic_fetch_add(&relay->gone, 1);
}

static void wait_for_ever(struct relay *relay, struct exchange *exchange)
{
    struct streaming *streaming = exchange_alloc(exchange, sizeof(*streaming));

    *streaming = (struct streaming){.exchange = exchange, .relay = relay};
    streaming->end.on_end = on_end;
    exchange_on_end(exchange, &streaming->end);
    exchange_watch(exchange, on_gone, relay);
}

static void show(struct exchange *exchange)
{
    struct exchange_request *request = exchange_request(exchange);
    struct exchange_answer answer;

    exchange_answer_init(exchange, &answer, 200);
    headers_add(&answer.headers, STR("X-Test"), STR("yes"));
    headers_add(&answer.headers, STR("Content-Length"), STR("99999"));
    exchange_reply(exchange, &answer,
                   exchange_printf(exchange, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%zu", STR_ARG(request->method),
                                   STR_ARG(request->path), STR_ARG(request->query), STR_ARG(request->host),
                                   STR_ARG(request->peer_address), STR_ARG(request->body),
                                   request->headers.count));
}

static void handle_local(struct relay *relay, struct exchange *exchange)
{
    struct str path = exchange_request(exchange)->path;

    if (str_equal(path, STR("/local/stream")))
        stream(relay, exchange, 404, -1);
    else if (str_equal(path, STR("/local/204")) || str_equal(path, STR("/local/304")))
        stream(relay, exchange, str_equal(path, STR("/local/204")) ? 204 : 304, -1);
    else if (str_equal(path, STR("/local/counted")))
        stream(relay, exchange, 200, 15);
    else if (str_equal(path, STR("/local/wait")))
        wait_for_ever(relay, exchange);
    else
        show(exchange);
}

static void refuse(struct exchange *exchange, int status, const char *text, void *arg)
{
    struct exchange_answer answer;

    (void)arg;
    exchange_answer_init(exchange, &answer, status);
    headers_add(&answer.headers, STR("Content-Type"), STR("application/json"));
    exchange_reply(exchange, &answer, exchange_printf(exchange, "{\"message\":\"%s\"}", text));
}

static int start(void **state)
{
    struct relay *relay = mem_zalloc(sizeof(*relay));

    relay->handle = handle_local;
    relay->refuse = refuse;
    relay->front_options = (struct http_front_options){.max_body_bytes = 1000, .keepalive_requests = 5};
    relay_start(relay, 0);
    *state = relay;
    return 0;
}

static int stop(void **state)
{
    relay_stop(*state);
    free(*state);
    return 0;
}

/* Sends, and reads until the server closes. */
static const char *ask_and_close(struct relay *relay, const char *bytes, size_t length)
{
    int fd = raw_connect(relay->port);

    raw_send(fd, bytes, length);
    (void)shutdown(fd, SHUT_WR);
    (void)raw_receive(fd, got, sizeof(got), NULL);
    close(fd);
    return got;
}

static void a_request_reaches_the_handler_as_sent(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, "POST /local/a%20b?x=1?y HTTP/1.1\r\nHost: Example.com:8000\r\nX-One: "
                      "1\r\nContent-Length: 4\r\n\r\nbody");
    (void)raw_receive(fd, got, sizeof(got), "body|1");
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(got, "\r\n\r\nPOST|/local/a%20b|x=1?y|Example.com:8000|127.0.0.1|body|1"));
    assert_non_null(strstr(got, "X-Test: yes\r\n"));
    assert_null(strstr(got, "99999"));
    assert_null(strstr(got, "erver:"));
    close(fd);
}

static void a_chunked_request_body_arrives_whole(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, "POST /local/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    raw_send_text(fd, "2\r\nde\r\n0\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "abcde|");
    assert_non_null(strstr(got, "|abcde|0"));
    close(fd);
}

static void an_absolute_target_counts_if_its_authority_is_the_host(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, "GET http://a.b:80/local/x?q HTTP/1.1\r\nHost: a.b:80\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "|0");
    assert_non_null(strstr(got, "GET|/local/x|q|a.b:80|"));
    close(fd);
}

static void an_unknown_length_is_chunked_whatever_the_status(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    for (int i = 0; i < 2; i++) {
        raw_send_text(fd, "GET /local/stream HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)raw_receive(fd, got, sizeof(got), "0\r\n\r\n");
        assert_non_null(strstr(got, "HTTP/1.1 404 Not Found\r\n"));
        assert_non_null(strstr(got, "transfer-encoding: chunked\r\n"));
        assert_non_null(strstr(got, "\r\n\r\n6\r\npiece,\r\n6\r\npiece,\r\n3\r\nend\r\n0\r\n\r\n"));
        assert_non_null(strcasestr(got, "connection: keep-alive"));
    }
    close(fd);
}

static void an_unknown_length_ends_with_the_connection_in_1_0(void **state)
{
    const char *request = "GET /local/stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, request);
    (void)raw_receive(fd, got, sizeof(got), NULL);
    assert_non_null(strstr(got, "\r\n\r\npiece,piece,end"));
    assert_non_null(strcasestr(got, "connection: close"));
    close(fd);
}

static void version_1_0_keeps_a_connection_when_asked(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    for (int i = 0; i < 2; i++) {
        raw_send_text(fd, "GET /local/counted HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        (void)raw_receive(fd, got, sizeof(got), "end");
        assert_non_null(strcasestr(got, "connection: keep-alive"));
    }
    raw_send_text(fd, "GET /local/counted HTTP/1.0\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), NULL);
    assert_non_null(strcasestr(got, "connection: close"));
    assert_non_null(strstr(got, "\r\n\r\npiece,piece,end"));
    close(fd);
}

static void some_statuses_have_no_body_whatever_is_sent(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    for (int i = 0; i < 2; i++) {
        raw_send_text(fd, i == 0 ? "GET /local/204 HTTP/1.1\r\nHost: a\r\n\r\n"
                                 : "GET /local/304 HTTP/1.1\r\nHost: a\r\n\r\n");
        raw_send_text(fd, "GET /local/next HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)raw_receive(fd, got, sizeof(got), "/local/next");
        assert_non_null(strstr(got, i == 0 ? "HTTP/1.1 204 " : "HTTP/1.1 304 "));
        assert_null(strstr(got, "piece"));
        assert_null(strcasestr(got, "transfer-encoding"));
    }
    close(fd);
}

static void a_known_length_is_announced(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, "GET /local/counted HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "end");
    assert_non_null(strcasestr(got, "content-length: 15\r\n"));
    assert_non_null(strstr(got, "\r\n\r\npiece,piece,end"));
    close(fd);
}

static void the_bytes_of_an_answer_are_counted_head_included(void **state)
{
    struct relay *relay = *state;
    int fd = raw_connect(relay->port);

    raw_send_text(fd, "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "|0");
    raw_send_text(fd, "GET /local/counted HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t length = raw_receive(fd, got, sizeof(got), "end");
    assert_true(raw_reaches(&relay->ended, 1));
    assert_int_equal(atomic_load(&relay->bytes_sent), length);
    close(fd);
}

static void head_has_the_length_and_no_body(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd,
                  "HEAD /local/counted HTTP/1.1\r\nHost: a\r\n\r\nGET /local/y HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "|0");
    assert_non_null(strcasestr(got, "content-length: 15\r\n"));
    assert_null(strstr(got, "piece"));
    assert_non_null(strstr(got, "GET|/local/y|"));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, "GET /local/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /local/stream HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /local/3 HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "/local/3");
    const char *one = strstr(got, "/local/1");
    const char *two = strstr(got, "piece");
    const char *three = strstr(got, "/local/3");
    assert_true(one != NULL && two > one && three > two);
    close(fd);
}

static void a_connection_ends_after_its_requests(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    for (int i = 0; i < 5; i++) {
        raw_send_text(fd, "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)raw_receive(fd, got, sizeof(got), "|0");
        assert_non_null(strcasestr(got, i < 4 ? "connection: keep-alive" : "connection: close"));
    }
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void one_close_among_connection_lines_is_enough(void **state)
{
    static const char *const lines[] = {
        "Connection: close\r\nConnection: keep-alive\r\n",
        "Connection: keep-alive\r\nConnection: x, Close\r\n",
        "Connection: keep-alive ,\tclose,\r\n",
    };
    struct relay *relay = *state;
    char request[200];

    for (size_t i = 0; i < COUNT(lines); i++) {
        for (int minor = 0; minor < 2; minor++) {
            int fd = raw_connect(relay->port);
            int length =
                snprintf(request, sizeof(request),
                         "GET /local/ HTTP/1.%d\r\nHost: a\r\n%s\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", minor,
                         lines[i]);
            raw_send(fd, request, (size_t)length);
            (void)raw_receive(fd, got, sizeof(got), NULL);
            assert_non_null(strstr(got, "HTTP/1.1 200 "));
            assert_null(strstr(got + 1, "HTTP/1.1 "));
            assert_non_null(strcasestr(got, "connection: close"));
            close(fd);
        }
    }
}

static const struct refused {
    const char *request;
    size_t length;
    int status;
} refused[] = {
#define ROW(text, status)                                                                                    \
    {                                                                                                        \
        text, sizeof(text) - 1, status                                                                       \
    }
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbodyx", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        400),
    ROW("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nbody", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4x\r\n\r\nbody", 400),
    ROW("GET / HTTP/1.1\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    ROW("GET http://:80/ HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\r\n\tfolded: b\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ROW("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
        "chunked\r\n\r\n0\r\n\r\n",
        400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nbody", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nbody", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551620\r\n\r\nbody", 400),
    ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\nHost: a\n\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    ROW("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    ROW("GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ROW("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
    ROW("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ROW("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1002\r\n\r\n", 413),
    ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: cake\r\n\r\nbody", 417),
#undef ROW
};

static void what_two_parsers_could_read_differently_is_refused(void **state)
{
    char status[16];

    for (size_t i = 0; i < COUNT(refused); i++) {
        const char *answer = ask_and_close(*state, refused[i].request, refused[i].length);

        (void)snprintf(status, sizeof(status), "HTTP/1.1 %d ", refused[i].status);
        if (strncmp(answer, status, strlen(status)) != 0 || strstr(answer + 1, "HTTP/1.") != NULL)
            fail_msg("row %zu: %s\n->\n%s", i, refused[i].request, answer);
    }
}

static void errors_of_h2o_itself_look_like_the_servers(void **state)
{
    const char request[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1002\r\n\r\n";
    const char *answer = ask_and_close(*state, request, sizeof(request) - 1);

    assert_non_null(strstr(answer, "HTTP/1.1 413 "));
    assert_non_null(strstr(answer, "application/json"));
    assert_non_null(strstr(answer, "\r\n\r\n{\"message\":\"Payload too large\"}"));
    assert_null(strstr(answer, "entity is too large"));
}

static void heads_beyond_the_limits_are_refused(void **state)
{
    struct relay *relay = *state;
    static char request[64 * 1024];
    int length = snprintf(request, sizeof(request), "GET /%09000d HTTP/1.1\r\nHost: a\r\n\r\n", 0);

    assert_non_null(strstr(ask_and_close(relay, request, (size_t)length), "HTTP/1.1 414 "));
    length = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\nX: %09000d\r\n\r\n", 0);
    assert_non_null(strstr(ask_and_close(relay, request, (size_t)length), "HTTP/1.1 400 "));
    length = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 5; i++)
        length += snprintf(request + length, sizeof(request) - (size_t)length, "X-%d: %08000d\r\n", i, 0);
    length += snprintf(request + length, sizeof(request) - (size_t)length, "\r\n");
    assert_non_null(strstr(ask_and_close(relay, request, (size_t)length), "HTTP/1.1 431 "));
}

static void a_client_that_goes_away_is_noticed(void **state)
{
    struct relay *relay = *state;
    int fd = raw_connect(relay->port);

    raw_send_text(fd, "GET /local/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)poll(NULL, 0, 30);
    close(fd);
    assert_true(raw_reaches(&relay->gone, 1));
    assert_true(raw_reaches(&relay->ended, 1));
}

static void a_pipelining_client_is_not_taken_for_gone(void **state)
{
    struct relay *relay = *state;
    int fd = raw_connect(relay->port);

    raw_send_text(fd, "GET /local/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)poll(NULL, 0, 30);
    raw_send_text(fd, "GET /local/x HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)poll(NULL, 0, 50);
    assert_int_equal(atomic_load(&relay->gone), 0);
    close(fd);
}

struct drain {
    struct loop_message message;
    struct relay *relay;
    atomic_int empty;
};

static void on_empty(void *arg)
{
    atomic_fetch_add(&((struct drain *)arg)->empty, 1);
}

static void drain_now(struct loop_message *message)
{
    struct drain *drain = CONTAINER_OF(message, struct drain, message);

    http_front_drain(drain->relay->front, drain->relay->loop,
                     &(struct http_drain){.on_empty = on_empty, .arg = drain});
}

static void a_drain_closes_idle_connections_and_waits_for_the_others(void **state)
{
    struct relay *relay = *state;
    struct drain drain = {.message.run = drain_now, .relay = relay};
    struct http_front_stats stats;
    int idle = raw_connect(relay->port);
    int busy = raw_connect(relay->port);

    raw_send_text(idle, "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(idle, got, sizeof(got), "|0");
    raw_send_text(busy, "GET /local/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)poll(NULL, 0, 30);
    loop_post(relay->loop, &drain.message);
    assert_true(raw_is_closed(idle));
    assert_int_equal(atomic_load(&drain.empty), 0);
    do { /* the connection is closed before it is counted */
        (void)poll(NULL, 0, 5);
        http_front_read_stats(relay->front, &stats);
    } while (stats.active > 1);
    assert_int_equal(stats.accepted, 2);
    assert_int_equal(stats.active, 1);
    assert_int_equal(stats.requests, 2);
    close(busy);
    assert_true(raw_reaches(&drain.empty, 1));
    close(idle);
}

enum {
    EARLY = 100 /* more than a loop accepts in two turns */
};

struct rush {
    struct loop_message message;
    struct relay *relay;
    int fds[EARLY];
    int late;
    sem_t done;
};

/* On the loop, which accepts nobody meanwhile. */
static void rush_then_drain(struct loop_message *message)
{
    struct rush *rush = CONTAINER_OF(message, struct rush, message);

    for (int i = 0; i < EARLY; i++) {
        rush->fds[i] = raw_connect(rush->relay->port);
        raw_send_text(rush->fds[i], "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    http_front_drain(rush->relay->front, rush->relay->loop,
                     &(struct http_drain){.last_accepts = true, .idle_ms = 1000});
    const struct sockaddr_in name = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)rush->relay->port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    rush->late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)connect(rush->late, (const void *)&name, sizeof(name)); /* goes on in the background */
    sem_post(&rush->done);
}

static void whoever_waits_to_be_accepted_when_a_drain_begins_is_answered(void **state)
{
    struct relay *relay = *state;
    struct rush rush = {.message.run = rush_then_drain, .relay = relay};

    sem_init(&rush.done, 0, 0);
    loop_post(relay->loop, &rush.message);
    sem_wait(&rush.done);
    sem_destroy(&rush.done);
    (void)poll(NULL, 0, 600);
    struct pollfd late = {.fd = rush.late, .events = POLLOUT};
    assert_int_equal(poll(&late, 1, 0), 0); /* turned away by silence: it has not been let in, then reset */
    close(rush.late);
    for (int i = 0; i < EARLY; i++) {
        (void)raw_receive(rush.fds[i], got, sizeof(got), NULL);
        assert_non_null(strstr(got, "HTTP/1.1 200"));
        assert_non_null(strcasestr(got, "connection: close"));
        close(rush.fds[i]);
    }
}

static void connections_beyond_the_cap_wait(void **state)
{
    struct relay *relay = mem_zalloc(sizeof(*relay));
    int fds[3];

    (void)state;
    relay->handle = handle_local;
    relay->front_options.max_connections = 2;
    relay_start(relay, 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(relay->port);
        raw_send_text(fds[i], "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    (void)raw_receive(fds[0], got, sizeof(got), "|0");
    (void)raw_receive(fds[1], got, sizeof(got), "|0");
    assert_false(raw_wait(fds[2], 100));
    close(fds[0]);
    assert_true(raw_receive(fds[2], got, sizeof(got), "|0") > 0);
    close(fds[1]);
    close(fds[2]);
    relay_stop(relay);
    free(relay);
}

static void a_proxy_line_names_the_client(void **state)
{
    struct relay *relay = mem_zalloc(sizeof(*relay));

    (void)state;
    relay->handle = handle_local;
    relay->proxy_protocol = true;
    relay_start(relay, 0);
    int fd = raw_connect(relay->port);
    raw_send_text(fd, "PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\nGET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), "|0");
    assert_non_null(strstr(got, "|192.0.2.7|"));
    close(fd);
    relay_stop(relay);
    free(relay);
}

static void a_shortage_of_descriptors_passes(void **state)
{
    struct relay *relay = *state;
    struct rlimit before;
    struct rlimit tight;
    int next = dup(0);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    close(next);
    tight = before;
    tight.rlim_cur = (rlim_t)next + 1; /* one more: the client's */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int fd = raw_connect(relay->port);
    raw_send_text(fd, "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(raw_wait(fd, 150));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(raw_receive(fd, got, sizeof(got), "|0") > 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, start, stop)
        FACT(a_request_reaches_the_handler_as_sent),
        FACT(a_chunked_request_body_arrives_whole),
        FACT(an_absolute_target_counts_if_its_authority_is_the_host),
        FACT(an_unknown_length_is_chunked_whatever_the_status),
        FACT(an_unknown_length_ends_with_the_connection_in_1_0),
        FACT(version_1_0_keeps_a_connection_when_asked),
        FACT(some_statuses_have_no_body_whatever_is_sent),
        FACT(a_known_length_is_announced),
        FACT(the_bytes_of_an_answer_are_counted_head_included),
        FACT(head_has_the_length_and_no_body),
        FACT(pipelined_requests_are_answered_in_order),
        FACT(a_connection_ends_after_its_requests),
        FACT(one_close_among_connection_lines_is_enough),
        FACT(what_two_parsers_could_read_differently_is_refused),
        FACT(errors_of_h2o_itself_look_like_the_servers),
        FACT(heads_beyond_the_limits_are_refused),
        FACT(a_client_that_goes_away_is_noticed),
        FACT(a_pipelining_client_is_not_taken_for_gone),
        FACT(a_drain_closes_idle_connections_and_waits_for_the_others),
        FACT(whoever_waits_to_be_accepted_when_a_drain_begins_is_answered),
        FACT(a_shortage_of_descriptors_passes),
        cmocka_unit_test(a_proxy_line_names_the_client),
        cmocka_unit_test(connections_beyond_the_cap_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
