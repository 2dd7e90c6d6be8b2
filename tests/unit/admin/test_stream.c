/*
 * Answers in pieces: one per turn of the loop, and clients that leave at any time.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/access.h"
#include "admin/request.h"
#include "admin/state.h"
#include "gateway/config/config.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/io/loop.h"

static const struct config config; /* no header of our own is wanted */
static struct admin admin;
static int made, closed; /* pieces, sources */

/* "a", nothing, "b", "c". */
static bool more(void *state, struct buf *out)
{
    const char *const pieces[] = {"a", "", "b", "c"};

    (void)state;
    buf_add_text(out, pieces[made++]);
    return made < 4;
}

static void close_source(void *state)
{
    (void)state;
    closed++;
}

static struct exchange *ask(const char *method)
{
    static const struct answer_source source = {.more = more, .close = close_source};
    const struct exchange_request asked = {.method = str_of(method), .target = STR("/"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(admin.options.loop, &asked);
    struct request *request = request_new(&admin, exchange);

    made = closed = 0;
    request->is_status_api = true;
    answer_pieces(&request->answer, "text/plain", &source, NULL);
    request_reply(request);
    return exchange;
}

static void turn(void)
{
    loop_run_late(admin.options.loop);
}

static void body_is(const struct exchange *exchange, const char *body, bool complete)
{
    const struct exchange_recording *recording = exchange_recorder_recording(exchange);

    assert_string_equal(buf_str(&recording->body).at, body);
    assert_int_equal(recording->complete, complete);
}

static void a_piece_comes_when_the_one_before_was_taken(void **state)
{
    struct exchange *exchange = ask("GET");

    (void)state;
    body_is(exchange, "", false);
    turn();
    body_is(exchange, "a", false);
    turn();
    assert_int_equal(made, 1);
    assert_true(exchange_recorder_sent(exchange));
    assert_int_equal(made, 1); /* not before another turn of the loop */
    turn();
    turn(); /* the first of the two had nothing to say */
    body_is(exchange, "ab", false);
    assert_true(exchange_recorder_sent(exchange));
    turn();
    body_is(exchange, "abc", true);
    assert_int_equal(closed, 0);
    exchange_recorder_free(exchange);
    assert_int_equal(closed, 1);
}

static void a_client_may_leave_while_a_piece_is_sent(void **state)
{
    struct exchange *exchange = ask("GET");

    (void)state;
    turn();
    exchange_recorder_free(exchange);
    assert_int_equal(closed, 1);
    turn();
    assert_int_equal(made, 1);
}

static void a_client_may_leave_between_two_pieces(void **state)
{
    struct exchange *exchange = ask("GET");

    (void)state;
    turn();
    assert_true(exchange_recorder_sent(exchange));
    exchange_recorder_free(exchange);
    assert_int_equal(closed, 0); /* the message is under way */
    turn();
    assert_int_equal(closed, 1);
    assert_int_equal(made, 1);
}

static void head_has_no_pieces(void **state)
{
    struct exchange *exchange = ask("HEAD");

    (void)state;
    turn();
    body_is(exchange, "", true);
    assert_int_equal(made, 0);
    exchange_recorder_free(exchange);
    assert_int_equal(closed, 1);
}

static int open_admin(void **state)
{
    struct config_problems problems = {0};
    struct err err;

    (void)state;
    admin.config = &config;
    if (!access_load(&config, &admin.access, &problems))
        return -1;
    list_init(&admin.running);
    return loop_open("test", &admin.options.loop, &err) ? 0 : -1;
}

static int close_admin(void **state)
{
    (void)state;
    access_unref(admin.access);
    loop_close(admin.options.loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_comes_when_the_one_before_was_taken),
        cmocka_unit_test(a_client_may_leave_while_a_piece_is_sent),
        cmocka_unit_test(a_client_may_leave_between_two_pieces),
        cmocka_unit_test(head_has_no_pieces),
    };
    return cmocka_run_group_tests(tests, open_admin, close_admin);
}
