/*
 * The front under hostile input: chunked bodies that are not, and sizes one below, at and one above each
 * limit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/unit/gateway/http/relay.h"

enum {
    MAX_BODY = 1000,
    MAX_HEAD = 4000,
};

static char got[1 << 16];
static char sent[1 << 19];

static void handle(struct relay *relay, struct exchange *exchange)
{
    struct exchange_request *request = exchange_request(exchange);
    struct exchange_answer answer;

    atomic_fetch_add(&relay->answered, 1);
    exchange_answer_init(exchange, &answer, 200);
    exchange_reply(exchange, &answer,
                   exchange_printf(exchange, "%.*s|%zu|%.*s|%zu|", STR_ARG(request->path), request->body.len,
                                   STR_ARG(request->body), request->headers.count));
}

static int start(void **state)
{
    struct relay *relay = mem_zalloc(sizeof(*relay));

    relay->handle = handle;
    relay->front_options =
        (struct http_front_options){.max_body_bytes = MAX_BODY, .max_head_bytes = MAX_HEAD};
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

/* Sends, in pieces of `piece` bytes, and reads until the server closes. */
static const char *ask(struct relay *relay, const char *bytes, size_t length, size_t piece)
{
    int fd = raw_connect(relay->port);

    for (size_t at = 0; at < length; at += piece)
        raw_send(fd, bytes + at, length - at < piece ? length - at : piece);
    (void)shutdown(fd, SHUT_WR);
    (void)raw_receive(fd, got, sizeof(got), NULL);
    close(fd);
    return got;
}

static int status_of(struct relay *relay, size_t length)
{
    const char *answer = ask(relay, sent, length, length);

    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

#define CHUNKED "POST /local/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define NEXT    "GET /local/next HTTP/1.1\r\nHost: a\r\n\r\n"

static void chunks_that_two_parsers_could_read_differently_are_refused(void **state)
{
    static const char *const bodies[] = {
        "0x4\r\nabcd\r\n0\r\n\r\n",
        "4\nabcd\r\n0\r\n\r\n",
        "4\r\nabcd\n0\r\n\r\n",
        "4\r\nabcd\r\n0\n\r\n",
        "4\r\nabcd\r\n0\r\n\n",
        "4;a\nabcd\r\n0\r\n\r\n",
        "4;a=\"\nabcd\r\n0\r\n\r\n",
        "4 a\r\nabcd\r\n0\r\n\r\n",
        "4;a\x01\r\nabcd\r\n0\r\n\r\n",
        "4 4\r\nabcd\r\n0\r\n\r\n",
        " 4\r\nabcd\r\n0\r\n\r\n",
        "+4\r\nabcd\r\n0\r\n\r\n",
        "-4\r\nabcd\r\n0\r\n\r\n",
        "\r\n4\r\nabcd\r\n0\r\n\r\n",
        "4\r\nabcde\r\n0\r\n\r\n",
        "4\r\nabc\r\n0\r\n\r\n",
        "4\rabcd\r\n0\r\n\r\n",
        "4;\r\r\nabcd\r\n0\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n folded: b\r\n\r\n",
        "0\r\nA: b\rc\r\n\r\n",
        ";a\r\n\r\n",
        "g\r\n\r\n",
        "1000000000000000\r\n\r\n",
        "00000000000000004\r\nabcd\r\n0\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(bodies); i++) {
        int length = snprintf(sent, sizeof(sent), "%s%s%s", CHUNKED, bodies[i], NEXT);
        for (size_t piece = 1; piece <= (size_t)length; piece += (size_t)length - 1) {
            const char *answer = ask(*state, sent, (size_t)length, piece);
            if (strncmp(answer, "HTTP/1.1 400 ", 13) != 0 || strstr(answer + 1, "HTTP/1.") != NULL)
                fail_msg("row %zu: %s\n->\n%s", i, bodies[i], answer);
        }
    }
    assert_int_equal(atomic_load(&((struct relay *)*state)->answered), 0);
}

static void good_chunks_are_read_however_they_come(void **state)
{
    static const char *const bodies[] = {
        "4\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
        "4;name=value;other=\"x\"\r\nabcd\r\n0;last\r\n\r\n",
        "4 \t;a\r\nabcd\r\n0\r\n\r\n",
        "0004\r\nabcd\r\n000\r\n\r\n",
        "4\r\nabcd\r\n0\r\nTrailer: dropped\r\nContent-Length: 7\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(bodies); i++) {
        int length = snprintf(sent, sizeof(sent), "%s%s%s", CHUNKED, bodies[i], NEXT);
        for (size_t piece = 1; piece <= (size_t)length; piece += (size_t)length / 3) {
            const char *answer = ask(*state, sent, (size_t)length, piece);
            if (strstr(answer, "/local/|4|abcd|0|") == NULL || strstr(answer, "/local/next|0||0|") == NULL)
                fail_msg("row %zu by %zu: %s\n->\n%s", i, piece, bodies[i], answer);
        }
    }
}

static void endless_chunk_lines_and_trailers_are_refused(void **state)
{
    static const struct {
        const char *before;
        const char *unit;
    } rows[] = {{"4;", "a"}, {"4", " "}, {"0\r\n", "A: b\r\n"}, {"0\r\nA: ", "b"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t length = (size_t)snprintf(sent, sizeof(sent), "%s%s", CHUNKED, rows[i].before);
        while (length < 20000)
            length += (size_t)snprintf(sent + length, sizeof(sent) - length, "%s", rows[i].unit);
        int fd = raw_connect(((struct relay *)*state)->port);
        raw_send(fd, sent, length);
        assert_true(raw_receive(fd, got, sizeof(got), "\r\n\r\n") > 0); /* without waiting for an end */
        assert_non_null(strstr(got, "HTTP/1.1 400 "));
        close(fd);
    }
}

static int with_length(struct relay *relay, size_t size)
{
    size_t length = (size_t)snprintf(sent, sizeof(sent),
                                     "POST /local/ HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);

    memset(sent + length, 'x', size);
    return status_of(relay, length + size);
}

static int with_chunks(struct relay *relay, size_t size)
{
    size_t length = (size_t)snprintf(sent, sizeof(sent), "%s%zx\r\n", CHUNKED, size);

    memset(sent + length, 'x', size);
    length += size;
    length += (size_t)snprintf(sent + length, sizeof(sent) - length, "\r\n0\r\n\r\n");
    return status_of(relay, length);
}

static void bodies_are_taken_up_to_the_limit(void **state)
{
    assert_int_equal(with_length(*state, MAX_BODY - 1), 200);
    assert_int_equal(with_length(*state, MAX_BODY), 200);
    assert_int_equal(with_length(*state, MAX_BODY + 1), 413);
    assert_int_equal(with_chunks(*state, MAX_BODY - 1), 200);
    assert_int_equal(with_chunks(*state, MAX_BODY), 200);
    assert_int_equal(with_chunks(*state, MAX_BODY + 1), 413);
}

/* A head of `size` bytes in lines of at most 1000. */
static int with_head(struct relay *relay, size_t size)
{
    size_t length = (size_t)snprintf(sent, sizeof(sent), "GET /local/ HTTP/1.1\r\nHost: a\r\n");

    while (length + 2 < size) {
        size_t line = size - 2 - length > 1010 ? 1000 : size - 2 - length;
        length += (size_t)snprintf(sent + length, sizeof(sent) - length, "X: %0*d\r\n", (int)line - 5, 0);
    }
    length += (size_t)snprintf(sent + length, sizeof(sent) - length, "\r\n");
    assert_int_equal(length, size);
    return status_of(relay, length);
}

static void heads_are_taken_up_to_the_limit(void **state)
{
    assert_int_equal(with_head(*state, MAX_HEAD - 1), 200);
    assert_int_equal(with_head(*state, MAX_HEAD), 200);
    assert_int_equal(with_head(*state, MAX_HEAD + 1), 431);
    assert_int_equal(with_head(*state, 90 * 1000), 431);
    assert_int_equal(with_head(*state, 400 * 1000), 400); /* more lines than libh2o reads */
}

static int with_lines(struct relay *relay, int count)
{
    size_t length = (size_t)snprintf(sent, sizeof(sent), "GET /local/ HTTP/1.1\r\nHost: a\r\n");

    for (int i = 1; i < count; i++)
        length += (size_t)snprintf(sent + length, sizeof(sent) - length, "X-%d: a\r\n", i);
    length += (size_t)snprintf(sent + length, sizeof(sent) - length, "\r\n");
    return status_of(relay, length);
}

static void a_hundred_lines_are_taken(void **state)
{
    assert_int_equal(with_lines(*state, 99), 200);
    assert_int_equal(with_lines(*state, 100), 200);
    assert_int_equal(with_lines(*state, 101), 400);
}

/* A head that never ends is cut by libh2o at 417,792 bytes. */
static void an_endless_head_is_refused(void **state)
{
    int fd = raw_connect(((struct relay *)*state)->port);

    raw_send_text(fd, "GET /local/ HTTP/1.1\r\nHost: a\r\nX: ");
    memset(sent, 'x', sizeof(sent));
    raw_send(fd, sent, 450 * 1000);
    (void)raw_receive(fd, got, sizeof(got), NULL);
    assert_true(got[0] == '\0' || strncmp(got, "HTTP/1.1 400 ", 13) == 0);
    close(fd);
}

/* Without a number of its own the cap follows from the limit of open files. */
static void the_cap_leaves_descriptors_for_others(void **state)
{
    struct relay *relay = mem_zalloc(sizeof(*relay));
    struct rlimit before;
    int fds[3];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit tight = {.rlim_cur = 500, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    relay->handle = handle;
    relay->front_options.descriptor_share = (500 - 128) / 2;
    relay_start(relay, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(relay->port);
        raw_send_text(fds[i], NEXT);
        assert_true(raw_wait(fds[i], i < 2 ? RAW_DEADLINE_MS : 100) == (i < 2));
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    relay_stop(relay);
    free(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, start, stop)
        FACT(chunks_that_two_parsers_could_read_differently_are_refused),
        FACT(good_chunks_are_read_however_they_come),
        FACT(endless_chunk_lines_and_trailers_are_refused),
        FACT(bodies_are_taken_up_to_the_limit),
        FACT(heads_are_taken_up_to_the_limit),
        FACT(a_hundred_lines_are_taken),
        FACT(an_endless_head_is_refused),
        cmocka_unit_test(the_cap_leaves_descriptors_for_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
