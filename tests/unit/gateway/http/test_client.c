/*
 * The upstream client, through the smallest gateway there is (relay.h), against an upstream that follows a
 * script.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/unit/gateway/http/bench.h"

/* Answers one request in one piece, closes, and returns what the client gets. */
static const char *relay_answer(struct bench *bench, const char *answer, size_t length, const char *until)
{
    ask(bench);
    int fd = take_request(bench);
    raw_send(fd, answer, length);
    (void)shutdown(fd, SHUT_WR);
    (void)raw_receive(bench->client, got, sizeof(got), until);
    close(fd);
    return got;
}

static void an_answer_is_passed_on(void **state)
{
    static const char answer[] = "HTTP/1.1 201 Made\r\nContent-Length: 5\r\nX-Up: a b\r\n\r\nhello";

    (void)relay_answer(*state, answer, sizeof(answer) - 1, "hello");
    assert_non_null(strstr(got, "HTTP/1.1 201 Made\r\n"));
    assert_non_null(strstr(got, "X-Up: a b\r\n"));
    assert_non_null(strcasestr(got, "content-length: 5\r\n"));
    assert_non_null(strstr(seen, "GET /x HTTP/1.1\r\nHost: up\r\nX-Mine: 1\r\n\r\n"));
}

static void the_date_of_the_upstream_is_kept(void **state)
{
    static const char dated[] =
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok";
    static const char undated[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    (void)relay_answer(*state, dated, sizeof(dated) - 1, "\r\n\r\nok");
    const char *date = strcasestr(got, "\r\ndate: ");
    assert_non_null(date);
    assert_memory_equal(date + 8, "Sun, 06 Nov 1994 08:49:37 GMT\r\n", 31);
    assert_null(strcasestr(date + 8, "\r\ndate: "));
    (void)relay_answer(*state, undated, sizeof(undated) - 1, "\r\n\r\nok");
    date = strcasestr(got, "\r\ndate: ");
    assert_non_null(date);
    assert_null(strstr(got, "1994"));
}

static void an_answer_may_come_byte_by_byte(void **state)
{
    static const char answer[] = "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "5;ext=1\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (size_t i = 0; i < sizeof(answer) - 1; i++) {
        raw_send(fd, answer + i, 1);
        (void)poll(NULL, 0, 1);
    }
    (void)raw_receive(bench->client, got, sizeof(got), "\r\n0\r\n\r\n");
    size_t letters = 0;
    for (const char *c = strstr(got, "\r\n\r\n"); *c != '\0'; c++)
        letters += (*c >= 'g' && *c <= 'o') ? 1 : 0;
    assert_int_equal(letters, 4); /* h, l, l, o */
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
    close(fd);
}

static void connections_are_kept_and_the_last_one_used_first(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    for (int i = 0; i < 3; i++) {
        raw_send_text(fd, answer);
        (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\nok");
        if (i == 2)
            break;
        ask(bench);
        (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
    }
    assert_true(raw_reaches(&bench->relay.reused, 2));
    close(fd);
}

static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct bench *bench = *state;

    (void)relay_answer(bench, answer, sizeof(answer) - 1, "\r\n\r\nok"); /* and closes */
    (void)poll(NULL, 0, 30);
    (void)relay_answer(bench, answer, sizeof(answer) - 1, "\r\n\r\nok");
    assert_non_null(strstr(got, "200 OK"));
    assert_int_equal(atomic_load(&bench->relay.failed), 0);
}

static void a_request_that_dies_on_a_kept_connection_is_called_stale(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    raw_send_text(fd, answer);
    (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\nok");
    ask(bench);
    (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
    close(fd); /* instead of an answer */
    fd = take_request(bench);
    raw_send_text(fd, answer);
    (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\nok");
    assert_int_equal(atomic_load(&bench->relay.last_failure), CLIENT_STALE);
    assert_non_null(strstr(got, "200 OK"));
    close(fd);
}

static void what_is_not_clearly_http_is_a_bad_answer(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "hello",
    };

    for (size_t i = 0; i < COUNT(answers); i++) {
        atomic_store(&bench->relay.last_failure, -1);
        (void)relay_answer(bench, answers[i], strlen(answers[i]), "\r\n\r\nanswer is not valid HTTP");
        if (strncmp(got, "HTTP/1.1 502 ", 13) != 0 ||
            atomic_load(&bench->relay.last_failure) != CLIENT_BAD_ANSWER)
            fail_msg("answer %zu: %s\n->\n%s", i, answers[i], got);
    }
}

static void a_body_that_breaks_off_cuts_the_client(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x4\r\nhalf\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\nhalf\n0\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhalf",
    };

    for (size_t i = 0; i < COUNT(answers); i++) {
        atomic_store(&bench->relay.last_failure, -1);
        (void)relay_answer(bench, answers[i], strlen(answers[i]), NULL);
        if (atomic_load(&bench->relay.last_failure) != CLIENT_CUT || strstr(got, "\r\n0\r\n\r\n") != NULL)
            fail_msg("answer %zu: %s\n->\n%s (%d)", i, answers[i], got,
                     atomic_load(&bench->relay.last_failure));
        close(bench->client);
        bench->client = raw_connect(bench->relay.port);
    }
}

static void a_body_without_a_length_ends_with_the_connection(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\nall of it";

    (void)relay_answer(*state, answer, sizeof(answer) - 1, "0\r\n\r\n");
    assert_non_null(strstr(got, "all of it\r\n0\r\n\r\n"));
}

static void interim_answers_are_skipped(void **state)
{
    static const char answer[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    (void)relay_answer(*state, answer, sizeof(answer) - 1, "\r\n\r\nok");
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
    assert_null(strstr(got, "103"));
}

static void answers_without_a_body_end_with_the_head(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };

    ask(bench);
    int fd = take_request(bench);
    for (size_t i = 0; i < COUNT(answers); i++) {
        raw_send_text(fd, answers[i]);
        assert_true(raw_receive(bench->client, got, sizeof(got), "\r\n\r\n") > 0);
        ask(bench);
        (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
    }
    assert_true(raw_reaches(&bench->relay.reused, 3)); /* none of them cost the connection */
    close(fd);
}

static void the_answer_to_head_has_no_body(void **state)
{
    struct bench *bench = *state;

    raw_send_text(bench->client, "HEAD /x HTTP/1.1\r\nHost: up\r\n\r\n");
    int fd = take_request(bench);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\n");
    assert_non_null(strcasestr(got, "content-length: 1000\r\n"));
    ask(bench);
    (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
    assert_non_null(strstr(seen, "GET /x"));
    close(fd);
}

static void connection_close_and_junk_end_the_connection(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokjunk",
    };

    for (size_t i = 0; i < COUNT(answers); i++) {
        ask(bench);
        int fd = take_request(bench);
        raw_send_text(fd, answers[i]);
        (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\nok");
        assert_null(strstr(got, "junk"));
        assert_true(raw_is_closed(fd));
        close(fd);
    }
    assert_true(raw_reaches(&bench->relay.reused, 0));
}

/* The body may come when the connection is somebody else's. */
static void a_204_that_announces_a_body_ends_the_connection(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(answers); i++) {
        ask(bench);
        int fd = take_request(bench);
        raw_send_text(fd, answers[i]);
        (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\n");
        assert_non_null(strstr(got, "HTTP/1.1 204 "));
        assert_null(strcasestr(got, "content-length"));
        assert_null(strcasestr(got, "transfer-encoding"));
        assert_true(raw_is_closed(fd));
        close(fd);
    }
}

static void the_coding_is_named_in_any_case(void **state)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

    (void)relay_answer(*state, answer, sizeof(answer) - 1, "0\r\n\r\n");
    assert_non_null(strstr(got, "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
}

static void silence_is_a_timeout(void **state)
{
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    (void)raw_receive(bench->client, got, sizeof(got), "no answer in time");
    assert_non_null(strstr(got, "HTTP/1.1 504 "));
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void silence_inside_a_body_cuts_the_client(void **state)
{
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf");
    (void)raw_receive(bench->client, got, sizeof(got), NULL);
    assert_non_null(strstr(got, "\r\n\r\nhalf"));
    assert_int_equal(atomic_load(&bench->relay.last_failure), CLIENT_CUT);
    close(fd);
}

static void nobody_listening_is_refused(void **state)
{
    struct bench *bench = *state;

    close(bench->upstream);
    bench->upstream = -1;
    ask(bench);
    (void)raw_receive(bench->client, got, sizeof(got), "connection refused");
    assert_non_null(strstr(got, "HTTP/1.1 502 "));
    assert_int_equal(atomic_load(&bench->relay.last_failure), CLIENT_REFUSED);
}

static void a_shortage_of_our_own_is_not_the_upstreams_failure(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    struct bench *bench = *state;
    struct rlimit usual;

    (void)relay_answer(bench, answer, sizeof(answer) - 1, "\r\n\r\nok");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const struct rlimit none = {.rlim_cur = 3, /* poll(2) asks too */ .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ask(bench);
    (void)raw_receive(bench->client, got, sizeof(got), "no connection could be begun");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_non_null(strstr(got, "no connection could be begun"));
    assert_int_equal(atomic_load(&bench->relay.last_failure), CLIENT_SHORTAGE);
    (void)relay_answer(bench, answer, sizeof(answer) - 1, "\r\n\r\nok");
    assert_non_null(strstr(got, "200 OK"));
}

static void a_client_that_leaves_cancels_the_upstream_request(void **state)
{
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    close(bench->client);
    assert_true(raw_is_closed(fd));
    assert_true(raw_reaches(&bench->relay.gone, 1));
    bench->client = raw_connect(bench->relay.port);
    close(fd);
}

static void bodies_are_sent_in_slices_and_come_back_whole(void **state)
{
    struct bench *bench = *state;
    enum {
        SIZE = 700 * 1000
    };
    char *body = mem_alloc(SIZE);
    size_t length = 0;

    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i % 23);
    raw_send_text(bench->client, "POST /x HTTP/1.1\r\nHost: up\r\nContent-Length: 700000\r\n\r\n");
    raw_send(bench->client, body, SIZE);
    int fd = accept(bench->upstream, NULL, NULL);
    (void)raw_receive(fd, got, sizeof(got), "Content-Length: 700000\r\n\r\n");
    length = strlen(strstr(got, "\r\n\r\n") + 4);
    while (length < SIZE) {
        ssize_t count = recv(fd, got, sizeof(got), 0);

        assert_true(count > 0);
        length += (size_t)count;
    }
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n");
    raw_send(fd, body, SIZE);
    length = 0;
    (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\n");
    length = strlen(strstr(got, "\r\n\r\n") + 4);
    assert_memory_equal(strstr(got, "\r\n\r\n") + 4, body, length);
    while (length < SIZE) {
        size_t count = raw_receive(bench->client, got,
                                   SIZE - length + 1 < sizeof(got) ? SIZE - length + 1 : sizeof(got), NULL);

        assert_true(count > 0);
        assert_memory_equal(got, body + length, count);
        length += count;
    }
    free(body);
    close(fd);
}

/* Sends an answer until nobody takes any more of it. */
static int fill_the_way(struct bench *bench)
{
    static char block[1 << 16];
    size_t sent = 0;

    ask(bench);
    int fd = take_request(bench);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    for (;;) {
        struct pollfd polled = {.fd = fd, .events = POLLOUT};

        if (poll(&polled, 1, 300) <= 0)
            return fd;
        ssize_t count = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        assert_true(sent < 64 * 1000 * 1000); /* socket buffers on both sides, and ours */
    }
}

static void a_slow_client_slows_the_upstream_down(void **state)
{
    close(fill_the_way(*state));
}

/* What is being written to it belongs to the upstream's connection, which must outlive that. */
static void a_client_that_ends_under_a_write_is_let_go_after_it(void **state)
{
    struct bench *bench = *state;
    int fd = fill_the_way(bench);

    (void)shutdown(bench->client, SHUT_WR);
    (void)poll(NULL, 0, 100);
    assert_int_equal(atomic_load(&bench->relay.gone), 0);
    while (recv(bench->client, got, sizeof(got), 0) > 0)
        continue;
    assert_true(raw_reaches(&bench->relay.gone, 1));
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void a_client_that_leaves_a_silent_answer_cancels_it(void **state)
{
    struct bench *bench = *state;

    ask(bench);
    int fd = take_request(bench);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf");
    (void)raw_receive(bench->client, got, sizeof(got), "half");
    close(bench->client);
    assert_true(raw_is_closed(fd)); /* long before the upstream would have been called too slow */
    assert_true(raw_reaches(&bench->relay.gone, 1));
    bench->client = raw_connect(bench->relay.port);
    close(fd);
}

/* The first read takes exactly the answer; what lies behind it must not answer the request that waits. */
static void bytes_behind_an_answer_are_not_the_next_answer(void **state)
{
    struct bench *bench = *state;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8000\r\nX: ";
    static const char junk[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\njunk";
    enum {
        READ = 8192 /* what h2o's buffers have room for */
    };
    static char answer[READ + sizeof(junk)];

    memset(answer, 'a', READ);
    memcpy(answer, head, sizeof(head) - 1);
    memcpy(answer + READ - 8004, "\r\n\r\n", 4);
    memcpy(answer + READ, junk, sizeof(junk));
    raw_send_text(bench->client, "GET /x HTTP/1.1\r\nHost: up\r\n\r\nGET /y HTTP/1.1\r\nHost: up\r\n\r\n");
    int first = take_request(bench);
    raw_send_text(first, answer);
    assert_true(raw_wait(bench->upstream, RAW_DEADLINE_MS)); /* the second has a connection of its own */
    int second = take_request(bench);
    assert_non_null(strstr(seen, "GET /y"));
    raw_send_text(second, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    (void)raw_receive(bench->client, got, sizeof(got), "\r\n\r\nok");
    assert_null(strstr(got, "junk"));
    assert_non_null(strstr(got, "\r\n\r\nok"));
    close(second);
    close(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name)    cmocka_unit_test_setup_teardown(name, start, stop)
#define WATCHED(name) cmocka_unit_test_setup_teardown(name, start_watching, stop)
        FACT(an_answer_is_passed_on),
        FACT(the_date_of_the_upstream_is_kept),
        WATCHED(an_answer_may_come_byte_by_byte),
        FACT(connections_are_kept_and_the_last_one_used_first),
        WATCHED(a_kept_connection_that_was_closed_is_replaced),
        FACT(a_request_that_dies_on_a_kept_connection_is_called_stale),
        WATCHED(what_is_not_clearly_http_is_a_bad_answer),
        WATCHED(a_body_that_breaks_off_cuts_the_client),
        FACT(a_body_without_a_length_ends_with_the_connection),
        FACT(interim_answers_are_skipped),
        WATCHED(answers_without_a_body_end_with_the_head),
        FACT(the_answer_to_head_has_no_body),
        FACT(connection_close_and_junk_end_the_connection),
        FACT(a_204_that_announces_a_body_ends_the_connection),
        FACT(the_coding_is_named_in_any_case),
        cmocka_unit_test_setup_teardown(silence_is_a_timeout, start_impatient, stop),
        cmocka_unit_test_setup_teardown(silence_inside_a_body_cuts_the_client, start_impatient, stop),
        WATCHED(nobody_listening_is_refused),
        WATCHED(a_shortage_of_our_own_is_not_the_upstreams_failure),
        WATCHED(a_client_that_leaves_cancels_the_upstream_request),
        WATCHED(bodies_are_sent_in_slices_and_come_back_whole),
        WATCHED(a_slow_client_slows_the_upstream_down),
        WATCHED(a_client_that_ends_under_a_write_is_let_go_after_it),
        WATCHED(a_client_that_leaves_a_silent_answer_cancels_it),
        WATCHED(bytes_behind_an_answer_are_not_the_next_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
