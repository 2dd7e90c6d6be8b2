/*
 * Tries and the answer passed on, with a real loop and real sockets (data-plane reference, 5.5, 6.3 and 6.5).
 */

#include "gateway.h"

#include <errno.h>
#include <fcntl.h>

#define TIMES        "'connect_timeout':3000,'write_timeout':3000,'read_timeout':3000"
#define HASTY        "'connect_timeout':150,'write_timeout':150,'read_timeout':150"
#define NUMBER       "'protocol':'http','host':'127.0.0.1',"
#define NAME         "'protocol':'http','host':'up.test',"
#define OK           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define GET          "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
#define POST         "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody"
#define BIG          ((size_t)48 << 20)
#define THIS(method) "" method " /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nb"

static char got[1 << 16];
static char seen[1 << 16];

static struct gateway *open_gateway(const char *service)
{
    return gateway_open(&(struct gateway_options){.service = service});
}

/* Sends a request and reads an answer without body, or with a short one. */
static void expect_status(struct gateway *gateway, const char *request, int status, const char *until)
{
    char wanted[32];
    raw_send_text(gateway->client, request);
    (void)raw_receive(gateway->client, got, sizeof(got), until);
    (void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %d ", status);
    if (strncmp(got, wanted, strlen(wanted)) != 0)
        fail_msg("%d was expected: %s", status, got);
}

static void receive(struct gateway *gateway, const char *until)
{
    (void)raw_receive(gateway->client, got, sizeof(got), until);
}

/* Takes `count` requests, closing each without an answer. */
static void close_tries(struct gateway *gateway, int count)
{
    for (int i = 0; i < count; i++)
        close(gateway_take(gateway, seen, sizeof(seen)));
}

static void expect_error(struct gateway *gateway, int status)
{
    char wanted[32];
    receive(gateway, "request_id: ");
    (void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %d ", status);
    if (strncmp(got, wanted, strlen(wanted)) != 0)
        fail_msg("%d was expected: %s", status, got);
    assert_non_null(strstr(got, "Via: "));
    assert_non_null(strstr(got, "X-Kong-Upstream-Latency: "));
    assert_null(strstr(got, "X-Kong-Response-Latency: "));
}

/* ---- nothing was sent: any method, another address ---- */

static void a_refused_connection_is_tried_at_the_next_address(void **state)
{
    static const char *const requests[] = {GET, POST, GET, POST};
    struct gateway *gateway = open_gateway(NAME "'retries':1," TIMES);
    int64_t before = metrics_read(METRIC_UPSTREAM_RETRIES);
    (void)state;
    /* Requests begin with one address and the other in turn, so half of them meet the one that refuses. */
    for (size_t i = 0; i < COUNT(requests); i++) {
        int client = gateway_connect(gateway);
        raw_send_text(client, requests[i]);
        int fd = gateway_take(gateway, seen, sizeof(seen));
        raw_send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        (void)raw_receive(client, got, sizeof(got), "\r\n\r\nok");
        assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
        close(fd);
        close(client);
    }
    assert_int_equal(metrics_read(METRIC_UPSTREAM_RETRIES) - before, 2);
    gateway_close(gateway);
}

static void further_tries_are_as_many_as_retries(void **state)
{
    static const int retries[] = {0, 1, 3};
    (void)state;
    for (size_t i = 0; i < COUNT(retries); i++) {
        char service[256];
        (void)snprintf(service, sizeof(service), NUMBER TIMES ",'retries':%d", retries[i]);
        struct gateway *gateway = open_gateway(service);
        int64_t before = metrics_read(METRIC_UPSTREAM_RETRIES);
        raw_send_text(gateway->client, GET);
        close_tries(gateway, 1 + retries[i]);
        expect_error(gateway, 502);
        gateway_expect_no_other(gateway);
        assert_int_equal(metrics_read(METRIC_UPSTREAM_RETRIES) - before, retries[i]);
        gateway_close(gateway);
    }
}

static void refused_everywhere_is_502(void **state)
{
    static const char *const requests[] = {GET, POST};
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct gateway *gateway = open_gateway(NAME "'retries':3," TIMES);
        int64_t before = metrics_read(METRIC_UPSTREAM_RETRIES);
        close(gateway->upstream);
        gateway->upstream = -1;
        raw_send_text(gateway->client, requests[i]);
        expect_error(gateway, 502);
        assert_int_equal(metrics_read(METRIC_UPSTREAM_RETRIES) - before, 3);
        gateway_close(gateway);
    }
}

/* A queue of connections that is full answers nothing. */
static void fill_queue(struct gateway *gateway, int fds[8])
{
    struct sockaddr_in address = raw_loopback(gateway->upstream_port);
    assert_int_equal(listen(gateway->upstream, 0), 0);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (const void *)&address, sizeof(address));
    }
}

static void an_upstream_that_does_not_accept_is_504(void **state)
{
    static const char *const requests[] = {GET, POST};
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct gateway *gateway = open_gateway(NUMBER "'retries':1," HASTY);
        int64_t before = metrics_read(METRIC_UPSTREAM_RETRIES);
        int fds[8];
        fill_queue(gateway, fds);
        raw_send_text(gateway->client, requests[i]);
        expect_error(gateway, 504);
        assert_int_equal(metrics_read(METRIC_UPSTREAM_RETRIES) - before, 1);
        for (int k = 0; k < 8; k++)
            close(fds[k]);
        gateway_close(gateway);
    }
}

/* ---- the request was sent ---- */

static void after_sending_only_what_is_idempotent_is_sent_again(void **state)
{
    static const struct {
        const char *request;
        bool again;
    } cases[] = {
        {GET, true},   {THIS("PUT"), true},    {THIS("DELETE"), true}, {THIS("OPTIONS"), true},
        {POST, false}, {THIS("PATCH"), false}, {THIS("LOCK"), false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gateway *gateway = open_gateway(NUMBER "'retries':1," TIMES);
        raw_send_text(gateway->client, cases[i].request);
        close_tries(gateway, 1);
        if (cases[i].again) {
            int fd = gateway_take(gateway, seen, sizeof(seen));
            raw_send_text(fd, OK);
            receive(gateway, "\r\n\r\nok");
            assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
            close(fd);
        } else {
            expect_error(gateway, 502);
            gateway_expect_no_other(gateway);
        }
        gateway_close(gateway);
    }
}

static void the_body_is_sent_again_whole(void **state)
{
    struct gateway *gateway = open_gateway(NUMBER "'retries':1," TIMES);
    (void)state;
    raw_send_text(gateway->client, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nthebody");
    int fd = gateway_accept(gateway, RAW_DEADLINE_MS);
    (void)raw_receive(fd, seen, sizeof(seen), "thebody");
    close(fd);
    fd = gateway_accept(gateway, RAW_DEADLINE_MS);
    (void)raw_receive(fd, seen, sizeof(seen), "thebody");
    assert_true(strncmp(seen, "PUT /x HTTP/1.1\r\n", 17) == 0);
    assert_non_null(strstr(seen, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(seen, "\r\n\r\nthebody"));
    raw_send_text(fd, OK);
    receive(gateway, "\r\n\r\nok");
    close(fd);
    gateway_close(gateway);
}

static void silence_is_504_and_tried_again_if_idempotent(void **state)
{
    static const struct {
        const char *request;
        int tries;
    } cases[] = {{GET, 2}, {POST, 1}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gateway *gateway = open_gateway(NUMBER "'retries':1," HASTY);
        int fds[2] = {-1, -1};
        raw_send_text(gateway->client, cases[i].request);
        for (int k = 0; k < cases[i].tries; k++)
            fds[k] = gateway_take(gateway, seen, sizeof(seen));
        expect_error(gateway, 504);
        gateway_expect_no_other(gateway);
        for (int k = 0; k < cases[i].tries; k++)
            close(fds[k]);
        gateway_close(gateway);
    }
}

static void the_last_cause_decides_between_502_and_504(void **state)
{
    struct gateway *gateway = open_gateway(NUMBER "'retries':1," HASTY);
    (void)state;
    raw_send_text(gateway->client, GET);
    int first = gateway_take(gateway, seen, sizeof(seen)); /* says nothing */
    close(gateway_take(gateway, seen, sizeof(seen)));
    expect_error(gateway, 502);
    close(first);
    gateway_close(gateway);
}

static void rubbish_is_502_and_not_asked_for_again(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct gateway *gateway = open_gateway(NULL);
        raw_send_text(gateway->client, GET);
        int fd = gateway_take(gateway, seen, sizeof(seen));
        raw_send_text(fd, answers[i]);
        expect_error(gateway, 502);
        gateway_expect_no_other(gateway);
        close(fd);
        gateway_close(gateway);
    }
}

static void a_status_of_the_upstream_is_no_failure(void **state)
{
    struct gateway *gateway = open_gateway(NULL);
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno");
    receive(gateway, "\r\n\r\nno");
    assert_non_null(strstr(got, "HTTP/1.1 503 Busy\r\n"));
    gateway_expect_no_other(gateway);
    close(fd);
    gateway_close(gateway);
}

/* ---- a kept connection that has died ---- */

/* One request answered; its connection is kept. */
static int warm_up(struct gateway *gateway)
{
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, OK);
    receive(gateway, "\r\n\r\nok");
    return fd;
}

static void a_stale_connection_costs_no_try(void **state)
{
    static const int retries[] = {0, 1};
    (void)state;
    for (size_t i = 0; i < COUNT(retries); i++) {
        char service[256];
        (void)snprintf(service, sizeof(service), NUMBER TIMES ",'retries':%d", retries[i]);
        struct gateway *gateway = open_gateway(service);
        int fd = warm_up(gateway);
        raw_send_text(gateway->client, GET);
        (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
        close(fd);
        close_tries(gateway, retries[i]);
        fd = gateway_take(gateway, seen, sizeof(seen));
        raw_send_text(fd, OK);
        receive(gateway, "\r\n\r\nok");
        assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
        close(fd);
        gateway_close(gateway);
    }
}

static void but_only_one(void **state)
{
    struct gateway *gateway = open_gateway(NUMBER "'retries':0," TIMES);
    int fd = warm_up(gateway);
    (void)state;
    raw_send_text(gateway->client, GET);
    (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
    close(fd);
    close_tries(gateway, 1);
    expect_error(gateway, 502);
    gateway_expect_no_other(gateway);
    gateway_close(gateway);
}

/* Two kept connections die, one after the other: the second try takes a new one at once. */
static void the_next_try_takes_a_fresh_connection(void **state)
{
    struct gateway *gateway = open_gateway(NUMBER "'retries':0," TIMES);
    int other = gateway_connect(gateway);
    (void)state;
    raw_send_text(gateway->client, GET);
    int first = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(other, GET);
    int second = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(first, OK);
    raw_send_text(second, OK);
    receive(gateway, "\r\n\r\nok");
    (void)raw_receive(other, got, sizeof(got), "\r\n\r\nok");
    raw_send_text(gateway->client, GET);
    struct pollfd both[] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    assert_int_equal(poll(both, 2, RAW_DEADLINE_MS), 1);
    int used = both[0].revents != 0 ? first : second;
    (void)raw_receive(used, seen, sizeof(seen), "\r\n\r\n");
    close(used);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, OK);
    receive(gateway, "\r\n\r\nok");
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
    close(fd);
    close(used == first ? second : first);
    close(other);
    gateway_close(gateway);
}

static void a_post_is_not_sent_twice(void **state)
{
    struct gateway *gateway = open_gateway(NULL);
    int fd = warm_up(gateway);
    (void)state;
    raw_send_text(gateway->client, POST);
    (void)raw_receive(fd, seen, sizeof(seen), "body");
    close(fd);
    expect_error(gateway, 502);
    gateway_expect_no_other(gateway);
    gateway_close(gateway);
}

/* ---- the answer has begun ---- */

static void a_body_that_is_cut_is_cut_for_the_client(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nrubbish\r\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct gateway *gateway = open_gateway(NULL);
        raw_send_text(gateway->client, GET);
        int fd = gateway_take(gateway, seen, sizeof(seen));
        raw_send_text(fd, answers[i]);
        receive(gateway, "half");
        close(fd);
        char rest[256];
        assert_true(raw_receive(gateway->client, rest, sizeof(rest), NULL) <= 2); /* the end of a chunk */
        assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
        assert_null(strstr(got, "\r\n0\r\n"));
        assert_null(strstr(rest, "0"));
        assert_true(raw_is_closed(gateway->client));
        gateway_expect_no_other(gateway);
        gateway_close(gateway);
    }
}

static void a_body_that_stops_is_cut_after_the_read_timeout(void **state)
{
    struct gateway *gateway = open_gateway(NUMBER "'retries':5," HASTY);
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    receive(gateway, "half");
    assert_true(raw_is_closed(gateway->client));
    assert_true(raw_is_closed(fd));
    gateway_expect_no_other(gateway);
    close(fd);
    gateway_close(gateway);
}

static void a_client_that_leaves_is_left_upstream(void **state)
{
    static const char *const answers[] = {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"};
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct gateway *gateway = open_gateway(NULL);
        raw_send_text(gateway->client, GET);
        int fd = gateway_take(gateway, seen, sizeof(seen));
        raw_send_text(fd, answers[i]);
        if (answers[i][0] != '\0')
            receive(gateway, "half");
        const struct linger reset = {.l_onoff = 1};
        (void)setsockopt(gateway->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(gateway->client);
        gateway->client = -1;
        assert_true(raw_is_closed(fd));
        gateway_expect_no_other(gateway);
        close(fd);
        gateway_close(gateway);
    }
}

/* Sends as much as goes; stops when nothing has gone for wait_ms. */
static size_t pour(int fd, size_t most, int wait_ms)
{
    static char bytes[1 << 16];
    size_t sent = 0;
    while (sent < most) {
        struct pollfd polled = {.fd = fd, .events = POLLOUT};
        if (poll(&polled, 1, wait_ms) <= 0)
            break;
        size_t length = most - sent < sizeof(bytes) ? most - sent : sizeof(bytes);
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0)
            sent += (size_t)count;
        else if (errno != EAGAIN)
            break;
    }
    return sent;
}

static void a_slow_client_slows_the_upstream_down(void **state)
{
    struct gateway *gateway = open_gateway(NULL);
    char head[128];
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BIG);
    raw_send_text(fd, head);
    size_t sent = pour(fd, BIG, 300);
    assert_true(sent < BIG / 2); /* what the kernel's buffers and ours hold */
    size_t received = 0;
    while (sent < BIG || raw_wait(gateway->client, 100)) {
        sent += pour(fd, BIG - sent, 0);
        if (!raw_wait(gateway->client, 100))
            continue;
        ssize_t count = recv(gateway->client, got, sizeof(got), 0);
        assert_true(count > 0);
        received += (size_t)count;
    }
    assert_in_range(received, BIG + 1, BIG + 1024); /* the head too */
    close(fd);
    gateway_close(gateway);
}

/* ---- what an answer loses and keeps ---- */

static void expect_answer(const char *request_lines, const char *answer_lines, const char *name,
                          const char *wanted)
{
    struct gateway *gateway = gateway_open(
        &(struct gateway_options){.settings = "headers = X-Kong-Upstream-Status, X-Kong-Request-Id, Via\n"});
    struct buf text = {0};
    buf_printf(&text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", request_lines);
    raw_send_text(gateway->client, text.at);
    buf_clear(&text);
    buf_printf(&text, "HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok", answer_lines);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, text.at);
    receive(gateway, "\r\n\r\nok");
    buf_clear(&text);
    buf_printf(&text, "\r\n%s: %s", name, wanted != NULL ? wanted : "");
    if ((strcasestr(got, text.at) == NULL) != (wanted == NULL))
        fail_msg("%s: %s was expected in %s", name, wanted != NULL ? wanted : "(none)", got);
    buf_fini(&text);
    close(fd);
    gateway_close(gateway);
}

static void no_answer_has_the_status_of_its_error(void **state)
{
    struct gateway *gateway =
        gateway_open(&(struct gateway_options){.settings = "headers = X-Kong-Upstream-Status, Via\n"});
    (void)state;
    raw_send_text(gateway->client, POST);
    close_tries(gateway, 1);
    receive(gateway, "request_id: ");
    assert_non_null(strstr(got, "\r\nX-Kong-Upstream-Status: 502\r\n"));
    gateway_close(gateway);
}

static void lines_of_the_upstreams_connection_stay_behind(void **state)
{
    (void)state;
    expect_answer("", "Connection: X-Hop, close\r\nX-Hop: 1\r\n", "X-Hop", NULL);
    expect_answer("", "Keep-Alive: timeout=5\r\n", "Keep-Alive", NULL);
    expect_answer("", "Upgrade: h2c\r\n", "Upgrade", NULL);
    expect_answer("", "Upgrade: websocket\r\n", "Upgrade", NULL);
    expect_answer("Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: WebSocket\r\n", "Upgrade",
                  "WebSocket\r\n");
    expect_answer("Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: h2c\r\n", "Upgrade", NULL);
    expect_answer("", "Trailer: X\r\n", "Trailer", NULL);
    expect_answer("TE: gzip\r\nTE: trailers\r\n", "Trailer: X\r\n", "Trailer", "X\r\n");
    expect_answer("TE: gzip\r\n", "Trailer: X\r\n", "Trailer", NULL);
    expect_answer("", "Server: nginx\r\n", "Server", "nginx\r\n");
    expect_answer("", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Date", "Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    expect_answer("", "X_Odd: 1\r\nProxy-Authenticate: x\r\n", "X_Odd", "1\r\n");
    expect_answer("", "Via: 1.1 squid\r\n", "Via", "kong/3.5.0\r\n");
    expect_answer("", "", "X-Kong-Upstream-Status", "200\r\n");
}

static void answers_without_a_body_end_at_once(void **state)
{
    static const struct {
        const char *method, *answer, *wanted;
    } cases[] = {
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", "ontent-length: 77\r\n"},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n"},
        {"GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", "ETag: x\r\n"},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "ontent-length: 0\r\n"},
    };
    struct gateway *gateway = open_gateway(NULL);
    int fd = warm_up(gateway);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char request[64];
        (void)snprintf(request, sizeof(request), "%s /x HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].method);
        raw_send_text(gateway->client, request);
        (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
        raw_send_text(fd, cases[i].answer);
        receive(gateway, "\r\n\r\n");
        if (strcasestr(got, cases[i].wanted) == NULL)
            fail_msg("%s", got);
    }
    expect_status(gateway, "BAD\r\n\r\n", 400, "request_id"); /* nothing else stood in between */
    close(fd);
    gateway_close(gateway);
}

/* ---- upgrade ---- */

static void a_websocket_is_tunnelled(void **state)
{
    struct gateway *gateway = open_gateway(NULL);
    (void)state;
    raw_send_text(gateway->client, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                                   "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    assert_non_null(strstr(seen, "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(seen, "\r\nSec-WebSocket-Key: k\r\n"));
    raw_send_text(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Accept: a\r\n\r\nhello");
    receive(gateway, "hello");
    assert_non_null(strstr(got, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strcasestr(got, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strcasestr(got, "\r\nConnection: upgrade\r\n"));
    assert_non_null(strstr(got, "\r\nSec-WebSocket-Accept: a\r\n"));
    assert_non_null(strstr(got, "\r\nVia: "));
    raw_send_text(gateway->client, "ping");
    (void)raw_receive(fd, seen, sizeof(seen), "ping");
    assert_string_equal(seen, "ping");
    raw_send_text(fd, "pong");
    receive(gateway, "pong");
    close(fd);
    assert_true(raw_is_closed(gateway->client));
    gateway_close(gateway);
}

static void a_refused_upgrade_is_an_answer(void **state)
{
    struct gateway *gateway = open_gateway(NULL);
    (void)state;
    raw_send_text(gateway->client,
                  "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    receive(gateway, "\r\n\r\nno");
    assert_non_null(strstr(got, "HTTP/1.1 403 Forbidden\r\n"));
    close(fd);
    gateway_close(gateway);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_is_tried_at_the_next_address),
        cmocka_unit_test(further_tries_are_as_many_as_retries),
        cmocka_unit_test(refused_everywhere_is_502),
        cmocka_unit_test(an_upstream_that_does_not_accept_is_504),
        cmocka_unit_test(after_sending_only_what_is_idempotent_is_sent_again),
        cmocka_unit_test(the_body_is_sent_again_whole),
        cmocka_unit_test(silence_is_504_and_tried_again_if_idempotent),
        cmocka_unit_test(the_last_cause_decides_between_502_and_504),
        cmocka_unit_test(rubbish_is_502_and_not_asked_for_again),
        cmocka_unit_test(a_status_of_the_upstream_is_no_failure),
        cmocka_unit_test(a_stale_connection_costs_no_try),
        cmocka_unit_test(but_only_one),
        cmocka_unit_test(the_next_try_takes_a_fresh_connection),
        cmocka_unit_test(a_post_is_not_sent_twice),
        cmocka_unit_test(a_body_that_is_cut_is_cut_for_the_client),
        cmocka_unit_test(a_body_that_stops_is_cut_after_the_read_timeout),
        cmocka_unit_test(a_client_that_leaves_is_left_upstream),
        cmocka_unit_test(a_slow_client_slows_the_upstream_down),
        cmocka_unit_test(no_answer_has_the_status_of_its_error),
        cmocka_unit_test(lines_of_the_upstreams_connection_stay_behind),
        cmocka_unit_test(answers_without_a_body_end_at_once),
        cmocka_unit_test(a_websocket_is_tunnelled),
        cmocka_unit_test(a_refused_upgrade_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
