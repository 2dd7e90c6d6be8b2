/*
 * probe_client: what a server does and what it is taken for. The server is this thread, the client's loop
 * another.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/http/probe_client.h"
#include "gateway/io/loop.h"
#include "tests/unit/gateway/http/raw.h"

#define HEAD "GET / HTTP/1.0\r\n\r\n"

struct bench {
    struct loop *loop;
    struct loop_end end;
    struct client_pool *pool;
    struct probe_client *probe; /* NULL: none runs */
    int server;                 /* listening */
    int port;
    struct client_request request;
    atomic_int done_count;
    enum probe_outcome outcome;
    int status;
};

struct order {
    struct loop_message super;
    struct bench *bench;
};

static void on_done(void *arg, enum probe_outcome outcome, int status)
{
    struct bench *bench = arg;

    bench->probe = NULL;
    bench->outcome = outcome;
    bench->status = status;
    atomic_fetch_add(&bench->done_count, 1);
}

static void on_loop_end(struct loop_end *end)
{
    struct bench *bench = CONTAINER_OF(end, struct bench, end);

    if (bench->probe != NULL)
        probe_client_cancel(bench->probe);
    client_pool_free(bench->pool);
}

static void on_start(void *arg)
{
    const struct client_pool_options options = {0};
    struct bench *bench = arg;

    bench->pool = client_pool_new(bench->loop, &options);
    bench->end.on_end = on_loop_end;
    loop_on_end(bench->loop, &bench->end);
}

static int start(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    struct err err;

    bench->server = raw_listen(&bench->port);
    struct sockaddr_in address = raw_loopback(bench->port);
    memcpy(&bench->request.address, &address, sizeof(address));
    bench->request.address_length = sizeof(address);
    bench->request.connect_ms = 3000;
    bench->request.head = STR(HEAD);
    assert_true(loop_open("probe", &bench->loop, &err));
    assert_true(loop_start(bench->loop, on_start, bench, &err));
    *state = bench;
    return 0;
}

static int stop(void **state)
{
    struct bench *bench = *state;

    loop_stop(bench->loop);
    loop_join(bench->loop);
    loop_close(bench->loop);
    close(bench->server);
    free(bench);
    return 0;
}

static void begin(struct loop_message *message)
{
    struct order *order = CONTAINER_OF(message, struct order, super);
    struct bench *bench = order->bench;

    bench->probe = probe_client_start(bench->pool, &bench->request, on_done, bench);
    free(order);
}

static void cancel(struct loop_message *message)
{
    struct order *order = CONTAINER_OF(message, struct order, super);

    probe_client_cancel(order->bench->probe);
    order->bench->probe = NULL;
    free(order);
}

static void post(struct bench *bench, void (*run)(struct loop_message *message))
{
    struct order *order = mem_zalloc(sizeof(*order));

    order->super.run = run;
    order->bench = bench;
    loop_post(bench->loop, &order->super);
}

static void expect(struct bench *bench, enum probe_outcome outcome, int status)
{
    assert_true(raw_reaches(&bench->done_count, 1));
    assert_int_equal(bench->outcome, outcome);
    assert_int_equal(bench->status, status);
    atomic_store(&bench->done_count, 0);
}

/* The server says this, and closes if `closes`. */
static void answer(struct bench *bench, const char *text, bool closes, enum probe_outcome outcome, int status)
{
    char got[256];

    post(bench, begin);
    int fd = accept(bench->server, NULL, NULL);
    assert_true(fd >= 0);
    (void)raw_receive(fd, got, sizeof(got), "\r\n\r\n");
    assert_string_equal(got, HEAD);
    raw_send_text(fd, text);
    if (closes)
        (void)shutdown(fd, SHUT_WR);
    expect(bench, outcome, status);
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void status_lines_are_read(void **state)
{
    static const struct {
        const char *text;
        enum probe_outcome outcome;
        int status;
    } lines[] = {
        {"HTTP/1.1 200 OK\r\n", PROBE_ANSWERED, 200}, {"HTTP/1.0  404\n", PROBE_ANSWERED, 404},
        {"HTTP/2 503 \r\nmore", PROBE_ANSWERED, 503}, {"HTTP/1.1 2000 no\r\n", PROBE_UNREADABLE, 0},
        {"HTTP/1.1 20 no\r\n", PROBE_UNREADABLE, 0},  {"HTTP/1.1 0200\r\n", PROBE_UNREADABLE, 0},
        {"HTTP/ 200\r\n", PROBE_UNREADABLE, 0},       {"HTTP/1.1200\r\n", PROBE_UNREADABLE, 0},
        {"SSH-2.0\r\n", PROBE_UNREADABLE, 0},         {"\n", PROBE_UNREADABLE, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++)
        answer(*state, lines[i].text, /* closes= */ false, lines[i].outcome, lines[i].status);
}

static void who_closes_before_the_line_is_whole_has_failed_to_connect(void **state)
{
    answer(*state, "", /* closes= */ true, PROBE_REFUSED, 0);
    answer(*state, "HTTP/1.1 200", /* closes= */ true, PROBE_REFUSED, 0);
    answer(*state, "HTTP/1.1 200 OK\r\n", /* closes= */ true, PROBE_ANSWERED, 200);
}

static void a_line_without_end_is_not_read_for_ever(void **state)
{
    char *text = mem_zalloc(8193);

    memset(text, 'x', 8192);
    answer(*state, text, /* closes= */ false, PROBE_UNREADABLE, 0);
    free(text);
}

static void one_deadline_covers_all(void **state)
{
    struct bench *bench = *state;

    bench->request.connect_ms = 100;
    answer(bench, "HTTP/1.1 2", /* closes= */ false, PROBE_TIMED_OUT, 0);
}

static void to_be_connected_can_be_enough(void **state)
{
    struct bench *bench = *state;

    bench->request.head = STR_NONE;
    post(bench, begin);
    int fd = accept(bench->server, NULL, NULL);
    expect(bench, PROBE_CONNECTED, 0);
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void nobody_there_is_refused(void **state)
{
    struct bench *bench = *state;

    close(bench->server);
    bench->server = -1;
    post(bench, begin);
    expect(bench, PROBE_REFUSED, 0);
}

static void no_address_is_refused_too(void **state)
{
    struct bench *bench = *state;

    bench->request.address.ss_family = AF_UNSPEC;
    bench->request.address_length = 1;
    post(bench, begin);
    expect(bench, PROBE_REFUSED, 0);
}

static void a_failed_handshake_is_refused(void **state)
{
    const struct client_tls tls = {.server_name = STR("a.test")};
    struct bench *bench = *state;
    char got[256];

    bench->request.tls = &tls;
    post(bench, begin);
    int fd = accept(bench->server, NULL, NULL);
    (void)raw_receive(fd, got, 2, NULL);
    raw_send_text(fd, "HTTP/1.1 400 this is no TLS\r\n\r\n");
    expect(bench, PROBE_REFUSED, 0);
    close(fd);
}

static void a_cancelled_probe_says_nothing(void **state)
{
    struct bench *bench = *state;

    post(bench, begin);
    int fd = accept(bench->server, NULL, NULL);
    post(bench, cancel);
    char got[256];
    (void)raw_receive(fd, got, sizeof(got), NULL); /* until it closes */
    (void)poll(NULL, 0, 50);
    assert_int_equal(atomic_load(&bench->done_count), 0);
    close(fd);
}

static void a_loop_ends_with_a_probe_running(void **state)
{
    struct bench *bench = *state;

    post(bench, begin);
    int fd = accept(bench->server, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
}

#define FACT(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(status_lines_are_read),
        FACT(who_closes_before_the_line_is_whole_has_failed_to_connect),
        FACT(a_line_without_end_is_not_read_for_ever),
        FACT(one_deadline_covers_all),
        FACT(to_be_connected_can_be_enough),
        FACT(nobody_there_is_refused),
        FACT(no_address_is_refused_too),
        FACT(a_failed_handshake_is_refused),
        FACT(a_cancelled_probe_says_nothing),
        FACT(a_loop_ends_with_a_probe_running),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
