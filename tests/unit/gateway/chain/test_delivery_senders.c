/*
 * Datagrams and TCP connections to sinks that listen, go away, come back, hang: over the real thread and real
 * sockets of this machine.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/delivery.h"
#include "gateway/chain/delivery_datagram.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/delivery_tcp.h"
#include "gateway/io/loop.h"

enum {
    PATIENCE_MS = 5000,
    HANG_MS = 1500, /* after which a sink that hangs is given up */
};

static struct delivery *delivery;
static char log_socket[64];

static int setup(void **state)
{
    struct err err;
    (void)state;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(log_socket, sizeof(log_socket), "/tmp/freshet-test-log-%d", (int)getpid());
    if (!delivery_open(&delivery, &err))
        return -1;
    const struct delivery_means means = {.resolver = NULL, .log_socket = log_socket};
    delivery_equip(delivery, &means);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    delivery_close(delivery, 0);
    delivery = NULL;
    (void)unlink(log_socket);
    return 0;
}

/* ---- sinks ---- */

/* Bound to a port of its own, which `*port` becomes, or to that one. */
static int bound(int type, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int bound_locally(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)unlink(log_socket);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", log_socket);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void wait_readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
}

static int accepted(int listener)
{
    wait_readable(listener);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

/* The next bytes are these. */
static void expect(int fd, const char *wanted)
{
    char got[256] = "";
    size_t length = 0;

    while (length < strlen(wanted)) {
        wait_readable(fd);
        ssize_t more = read(fd, got + length, sizeof(got) - 1 - length);
        assert_true(more > 0);
        length += (size_t)more;
    }
    assert_string_equal(got, wanted);
}

static void expect_end(int fd)
{
    char byte;

    wait_readable(fd);
    assert_int_equal(read(fd, &byte, 1), 0);
    (void)close(fd);
}

/* ---- queues ---- */

static const struct delivery_rules quick = {.max_batch_size = 1,
                                            .max_entries = 100,
                                            .max_retry_us = 10 * 1000 * 1000,
                                            .first_retry_us = 10 * 1000,
                                            .longest_retry_us = 50 * 1000};

static struct delivery_queue *queue_over(struct delivery_sender *sender, const struct delivery_rules *rules)
{
    const struct delivery_options options = {.name = "test", .rules = *rules, .sender = sender};

    return delivery_queue_new(&options);
}

static struct delivery_queue *udp_queue(int port)
{
    const struct delivery_datagram_options options = {.host = "127.0.0.1", .port = port, .timeout_ms = 500};

    return queue_over(delivery_datagram_new(&options), &quick);
}

static struct delivery_queue *tcp_queue_by(int port, int64_t timeout_ms, int64_t keepalive_ms,
                                           const struct delivery_rules *rules)
{
    const struct delivery_tcp_options options = {.host = "127.0.0.1",
                                                 .port = port,
                                                 .timeout_ms = timeout_ms,
                                                 .keepalive_ms = keepalive_ms,
                                                 .behind = STR("\n")};

    return queue_over(delivery_tcp_new(&options), rules);
}

static struct delivery_queue *tcp_queue(int port, int64_t timeout_ms, int64_t keepalive_ms)
{
    return tcp_queue_by(port, timeout_ms, keepalive_ms, &quick);
}

static void add(struct delivery_queue *queue, const char *text)
{
    delivery_queue_add(queue, delivery, str_of(text));
}

/* METRIC_DELIVERY_SENT or _LOST has grown by `more` since it was `before`. */
static void expect_metric(enum metric metric, int64_t before, int64_t more)
{
    for (int i = 0; i < PATIENCE_MS && metrics_read(metric) < before + more; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(metrics_read(metric) - before, more);
}

static void expect_failure(int64_t before)
{
    for (int i = 0; i < PATIENCE_MS && metrics_read(METRIC_DELIVERY_FAILURES) == before; i++)
        (void)poll(NULL, 0, 1);
    assert_true(metrics_read(METRIC_DELIVERY_FAILURES) > before);
}

/* ---- datagrams ---- */

static void each_entry_is_a_datagram(void **state)
{
    int port = 0, sink = bound(SOCK_DGRAM, &port);
    struct delivery_queue *queue = udp_queue(port);
    int64_t sent = metrics_read(METRIC_DELIVERY_SENT);
    (void)state;

    add(queue, "one");
    add(queue, "two");
    expect(sink, "one");
    expect(sink, "two");
    expect_metric(METRIC_DELIVERY_SENT, sent, 2);
    delivery_queue_let_go(queue);
    (void)close(sink);
}

static void what_is_too_large_for_a_datagram_is_lost_alone(void **state)
{
    static char large[70000];
    int port = 0, sink = bound(SOCK_DGRAM, &port);
    struct delivery_queue *queue = udp_queue(port);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);
    int64_t sent = metrics_read(METRIC_DELIVERY_SENT);
    (void)state;

    memset(large, 'x', sizeof(large));
    delivery_queue_add(queue, delivery, (struct str){large, sizeof(large)});
    add(queue, "small");
    expect(sink, "small");
    expect_metric(METRIC_DELIVERY_LOST, lost, 1);
    expect_metric(METRIC_DELIVERY_SENT, sent, 1);
    delivery_queue_let_go(queue);
    (void)close(sink);
}

static void a_dead_udp_sink_is_noticed_and_found_again(void **state)
{
    int port = 0, sink = bound(SOCK_DGRAM, &port);
    struct delivery_queue *queue = udp_queue(port);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);
    int64_t sent = metrics_read(METRIC_DELIVERY_SENT);
    (void)state;

    (void)close(sink);
    add(queue, "into the void"); /* which nobody knows yet */
    expect_metric(METRIC_DELIVERY_SENT, sent, 1);
    add(queue, "and now it is known, but tried");
    expect_metric(METRIC_DELIVERY_LOST, lost, 1);
    sink = bound(SOCK_DGRAM, &port);
    add(queue, "back"); /* says what became of the one before, and is sent all the same */
    expect(sink, "back");
    expect_metric(METRIC_DELIVERY_LOST, lost, 2);
    delivery_queue_let_go(queue);
    (void)close(sink);
}

static bool cut_twice(struct str entry, size_t limit, size_t *from, struct buf *room, struct str *datagram)
{
    if (*from >= entry.len)
        return false;
    size_t to = *from + limit < entry.len ? *from + limit : entry.len;
    buf_clear(room);
    buf_add_byte(room, '>');
    buf_add_str(room, str_part(entry, *from, to));
    *datagram = buf_str(room);
    *from = to;
    return true;
}

static void entries_can_be_cut_alone_or_as_one(void **state)
{
    int port = 0, sink = bound(SOCK_DGRAM, &port);
    struct delivery_rules by_two = quick;
    (void)state;

    by_two.max_batch_size = 2;
    by_two.max_coalescing_us = 5 * 1000 * 1000;
    for (int joined = 0; joined < 2; joined++) {
        const struct delivery_datagram_options options = {
            .host = "127.0.0.1", .port = port, .cut = cut_twice, .limit = 2, .joined = joined == 1};
        struct delivery_queue *queue = queue_over(delivery_datagram_new(&options), &by_two);
        add(queue, "abc");
        add(queue, "def");
        expect(sink, ">ab");
        expect(sink, joined == 1 ? ">cd" : ">c");
        expect(sink, joined == 1 ? ">ef" : ">de");
        if (joined == 0)
            expect(sink, ">f");
        delivery_queue_let_go(queue);
    }
    (void)close(sink);
}

static struct delivery_queue *log_queue(void)
{
    const struct delivery_datagram_options options = {.timeout_ms = 1500};
    struct delivery_rules roomy = quick;

    roomy.max_entries = 10000;
    return queue_over(delivery_datagram_new(&options), &roomy);
}

static void a_log_daemon_that_is_away_is_waited_for(void **state)
{
    struct delivery_queue *queue = log_queue();
    (void)state;

    add(queue, "early");
    (void)poll(NULL, 0, 50);
    int sink = bound_locally();
    expect(sink, "early");
    add(queue, "now");
    expect(sink, "now");
    (void)close(sink); /* it starts again */
    add(queue, "meanwhile");
    (void)poll(NULL, 0, 50);
    sink = bound_locally();
    expect(sink, "meanwhile");
    delivery_queue_let_go(queue);
    (void)close(sink);
}

/* More than a socket of this kind holds. systemd makes it 512 where it boots, which is 10 elsewhere. */
static int too_many_datagrams(void)
{
    FILE *file = fopen("/proc/sys/net/unix/max_dgram_qlen", "re");
    int most = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &most), 1);
    (void)fclose(file);
    return most + 50;
}

static void a_log_daemon_that_is_slow_loses_nothing(void **state)
{
    int count = too_many_datagrams();
    int sink = bound_locally();
    struct delivery_queue *queue = log_queue();
    int64_t failures = metrics_read(METRIC_DELIVERY_FAILURES);
    char text[16];
    (void)state;

    for (int i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        add(queue, text);
    }
    (void)poll(NULL, 0, 200);
    assert_int_equal(metrics_read(METRIC_DELIVERY_FAILURES), failures); /* its time is not over */
    expect_failure(failures);
    for (int i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        expect(sink, text);
    }
    delivery_queue_let_go(queue);
    (void)close(sink);
}

/* ---- TCP ---- */

static void lines_share_a_connection(void **state)
{
    int port = 0, listener = bound(SOCK_STREAM, &port);
    struct delivery_queue *queue = tcp_queue(port, 1000, 60000);
    (void)state;

    add(queue, "one");
    int sink = accepted(listener);
    expect(sink, "one\n");
    assert_int_equal(write(sink, "thanks", 6), 6); /* nobody cares */
    add(queue, "two");
    add(queue, "three");
    expect(sink, "two\nthree\n");
    delivery_queue_let_go(queue);
    expect_end(sink);
    (void)close(listener);
}

static void a_connection_closed_meanwhile_costs_no_line(void **state)
{
    int port = 0, listener = bound(SOCK_STREAM, &port);
    struct delivery_queue *queue = tcp_queue(port, 1000, 60000);
    int64_t failures = metrics_read(METRIC_DELIVERY_FAILURES);
    (void)state;

    add(queue, "one");
    for (int i = 0; i < 3; i++) {
        int sink = accepted(listener);
        expect(sink, i == 0 ? "one\n" : "more\n");
        (void)close(sink);
        (void)poll(NULL, 0, 20);
        add(queue, "more");
    }
    expect(accepted(listener), "more\n");
    assert_int_equal(metrics_read(METRIC_DELIVERY_FAILURES), failures);
    delivery_queue_let_go(queue);
    (void)close(listener);
}

static void a_connection_idle_for_too_long_is_closed(void **state)
{
    int port = 0, listener = bound(SOCK_STREAM, &port);
    struct delivery_queue *queue = tcp_queue(port, 1000, 100), *at_once = tcp_queue(port, 1000, 0);
    int64_t began_us = loop_clock_us();
    (void)state;

    add(queue, "one");
    int sink = accepted(listener);
    expect(sink, "one\n");
    expect_end(sink);
    assert_true(loop_clock_us() - began_us >= 100 * 1000);
    add(at_once, "two");
    sink = accepted(listener);
    expect(sink, "two\n");
    expect_end(sink);
    delivery_queue_let_go(queue);
    delivery_queue_let_go(at_once);
    (void)close(listener);
}

static void a_sink_that_refuses_is_tried_again(void **state)
{
    int port = 0, listener = bound(SOCK_STREAM, &port);
    struct delivery_queue *queue = tcp_queue(port, 1000, 1000);
    int64_t failures = metrics_read(METRIC_DELIVERY_FAILURES);
    (void)state;

    (void)close(listener);
    add(queue, "one");
    expect_failure(failures);
    listener = bound(SOCK_STREAM, &port);
    int sink = accepted(listener);
    expect(sink, "one\n");
    delivery_queue_let_go(queue);
    expect_end(sink);
    (void)close(listener);
}

static void a_sink_that_hangs_holds_up_nobody_else(void **state)
{
    static char large[4 * 1024 * 1024];
    int port = 0, listener = bound(SOCK_STREAM, &port), other = 0, sink = bound(SOCK_DGRAM, &other);
    struct delivery_rules once = quick;
    struct delivery_queue *fine = udp_queue(other);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);
    int64_t began_us = loop_clock_us();
    (void)state;

    once.max_retry_us = -1;
    struct delivery_queue *hanging = tcp_queue_by(port, HANG_MS, 1000, &once);
    memset(large, 'x', sizeof(large));
    delivery_queue_add(hanging, delivery, (struct str){large, sizeof(large)}); /* more than sockets hold */
    int hung = accepted(listener);
    for (int i = 0; i < 20; i++) {
        add(fine, "fine");
        expect(sink, "fine");
    }
    assert_true(loop_clock_us() - began_us < HANG_MS * 1000);
    expect_metric(METRIC_DELIVERY_LOST, lost, 1); /* its time is over */
    assert_true(loop_clock_us() - began_us >= HANG_MS * 1000);
    delivery_queue_let_go(hanging);
    delivery_queue_let_go(fine);
    (void)close(hung);
    (void)close(sink);
    (void)close(listener);
}

static void what_is_under_way_at_the_end_is_given_up(void **state)
{
    static char large[4 * 1024 * 1024];
    int port = 0, listener = bound(SOCK_STREAM, &port);
    struct delivery_queue *queue = tcp_queue(port, 60000, 1000);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);

    memset(large, 'x', sizeof(large));
    delivery_queue_add(queue, delivery, (struct str){large, sizeof(large)});
    int hung = accepted(listener);
    delivery_queue_let_go(queue);
    (void)teardown(state);
    assert_int_equal(metrics_read(METRIC_DELIVERY_LOST), lost + 1);
    assert_int_equal(setup(state), 0);
    (void)close(hung);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_is_a_datagram),
        cmocka_unit_test(what_is_too_large_for_a_datagram_is_lost_alone),
        cmocka_unit_test(a_dead_udp_sink_is_noticed_and_found_again),
        cmocka_unit_test(entries_can_be_cut_alone_or_as_one),
        cmocka_unit_test(a_log_daemon_that_is_away_is_waited_for),
        cmocka_unit_test(a_log_daemon_that_is_slow_loses_nothing),
        cmocka_unit_test(lines_share_a_connection),
        cmocka_unit_test(a_connection_closed_meanwhile_costs_no_line),
        cmocka_unit_test(a_connection_idle_for_too_long_is_closed),
        cmocka_unit_test(a_sink_that_refuses_is_tried_again),
        cmocka_unit_test(a_sink_that_hangs_holds_up_nobody_else),
        cmocka_unit_test(what_is_under_way_at_the_end_is_given_up),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
