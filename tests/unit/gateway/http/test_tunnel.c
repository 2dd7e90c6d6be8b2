/*
 * Connections after a 101, through the smallest gateway there is (relay.h).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gateway/http/bench.h"

static int start_idle(void **state)
{
    int result = start_watching(state);

    ((struct bench *)*state)->relay.idle_ms = 200; /* read when a tunnel begins */
    return result;
}

/* The upstream's side of a tunnel. */
static int open_tunnel(struct bench *bench)
{
    raw_send_text(bench->client,
                  "GET /x HTTP/1.1\r\nHost: up\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    int fd = take_request(bench);
    assert_non_null(strstr(seen, "Upgrade: chat\r\n"));
    raw_send_text(fd,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: Chat\r\nConnection: upgrade\r\n\r\nfirst");
    (void)raw_receive(bench->client, got, sizeof(got), "first");
    assert_non_null(strstr(got, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strstr(got, "Upgrade: Chat\r\n"));
    return fd;
}

static void bytes_go_both_ways_and_the_end_is_told(void **state)
{
    struct bench *bench = *state;
    int fd = open_tunnel(bench);

    raw_send_text(bench->client, "to you");
    (void)raw_receive(fd, seen, sizeof(seen), "to you");
    assert_string_equal(seen, "to you");
    raw_send_text(fd, "to me");
    (void)raw_receive(bench->client, got, sizeof(got), "to me");
    assert_string_equal(got, "to me");
    assert_int_equal(atomic_load(&bench->relay.tunnels_ended), 0);
    close(fd);
    assert_true(raw_is_closed(bench->client));
    (void)shutdown(bench->client, SHUT_WR);
    assert_true(raw_reaches(&bench->relay.tunnels_ended, 1));
}

static void one_direction_may_end_before_the_other(void **state)
{
    struct bench *bench = *state;
    int fd = open_tunnel(bench);

    raw_send_text(bench->client, "last words");
    (void)shutdown(bench->client, SHUT_WR);
    assert_int_equal(raw_receive(fd, seen, sizeof(seen), NULL), strlen("last words")); /* and the end */
    raw_send_text(fd, "an answer to them");
    (void)raw_receive(bench->client, got, sizeof(got), "them");
    assert_string_equal(got, "an answer to them");
    assert_int_equal(atomic_load(&bench->relay.tunnels_ended), 0);
    (void)shutdown(fd, SHUT_WR);
    assert_true(raw_is_closed(bench->client));
    assert_true(raw_reaches(&bench->relay.tunnels_ended, 1));
    close(fd);
}

static void silence_ends_a_tunnel_also_when_half_of_it_has_ended(void **state)
{
    struct bench *bench = *state;
    int fd = open_tunnel(bench);

    assert_true(raw_is_closed(fd));
    assert_true(raw_is_closed(bench->client));
    assert_true(raw_reaches(&bench->relay.tunnels_ended, 1));
    close(fd);
    close(bench->client);
    bench->client = raw_connect(bench->relay.port);
    fd = open_tunnel(bench);
    (void)shutdown(fd, SHUT_WR);
    assert_true(raw_is_closed(bench->client)); /* the end is passed on at once */
    assert_true(raw_reaches(&bench->relay.tunnels_ended, 2));
    close(fd);
}

/* How much goes into a side whose other side does not read. */
static size_t fill(int fd)
{
    static char block[1 << 16];
    size_t sent = 0;

    for (;;) {
        struct pollfd polled = {.fd = fd, .events = POLLOUT};

        if (poll(&polled, 1, 100) <= 0)
            return sent;
        ssize_t count = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        assert_true(sent < 64 * 1000 * 1000);
    }
}

static void drain(int fd, size_t length)
{
    while (length > 0) {
        ssize_t count = recv(fd, got, length < sizeof(got) ? length : sizeof(got), 0);

        assert_true(count > 0);
        length -= (size_t)count;
        (void)poll(NULL, 0, 1);
    }
}

/* Reading slowly, for longer than the tunnel may be idle, is no silence. */
static void a_side_that_does_not_read_stops_the_other_and_loses_nothing(void **state)
{
    struct bench *bench = *state;
    int fd = open_tunnel(bench);
    size_t down = fill(fd);
    size_t up = fill(bench->client);

    drain(bench->client, down);
    drain(fd, up);
    raw_send_text(fd, "still there");
    (void)raw_receive(bench->client, got, sizeof(got), "there");
    assert_string_equal(got, "still there");
    close(fd);
}

static void a_change_to_what_was_not_asked_for_is_a_bad_answer(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(answers); i++) {
        raw_send_text(bench->client,
                      "GET /x HTTP/1.1\r\nHost: up\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
        int fd = take_request(bench);
        raw_send_text(fd, answers[i]);
        (void)raw_receive(bench->client, got, sizeof(got), "not valid HTTP");
        assert_non_null(strstr(got, "HTTP/1.1 502 "));
        close(fd);
        close(bench->client);
        bench->client = raw_connect(bench->relay.port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, start_watching, stop)
#define IDLE(name) cmocka_unit_test_setup_teardown(name, start_idle, stop)
        FACT(bytes_go_both_ways_and_the_end_is_told),
        FACT(one_direction_may_end_before_the_other),
        IDLE(silence_ends_a_tunnel_also_when_half_of_it_has_ended),
        FACT(a_side_that_does_not_read_stops_the_other_and_loses_nothing),
        FACT(a_change_to_what_was_not_asked_for_is_a_bad_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
