/*
 * exchange and header, on the recorder.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/http/exchange.h"
#include "gateway/http/exchange_recorder.h"

static int ends[3];
static int end_count;

static void on_first(struct exchange_end *end)
{
    (void)end;
    ends[end_count++] = 1;
}

static void on_second(struct exchange_end *end)
{
    (void)end;
    ends[end_count++] = 2;
}

static struct exchange *make(void)
{
    const struct exchange_request request = {.method = STR("GET"), .target = STR("/"), .path = STR("/")};

    return exchange_recorder_new(NULL, &request);
}

static void ends_are_told_once_the_last_first(void **state)
{
    struct exchange *exchange = make();
    struct exchange_end first = {.on_end = on_first};
    struct exchange_end second = {.on_end = on_second};

    (void)state;
    exchange_on_end(exchange, &first);
    exchange_on_end(exchange, &second);
    exchange_recorder_free(exchange);
    assert_int_equal(end_count, 2);
    assert_int_equal(ends[0], 2);
    assert_int_equal(ends[1], 1);
}

static void headers_compare_without_case_and_keep_their_spelling(void **state)
{
    struct exchange *exchange = make();
    struct headers *headers = &exchange_request(exchange)->headers;

    (void)state;
    for (int i = 0; i < 40; i++)
        headers_add(headers, exchange_printf(exchange, "X-%d", i), STR("old"));
    headers_add(headers, STR("x-7"), STR("second"));
    struct header *found = headers_find(headers, STR("x-7"));
    assert_true(str_equal(found->name, STR("X-7")));
    assert_true(str_equal(headers_find_next(headers, found, STR("X-7"))->value, STR("second")));
    headers_set(headers, STR("X-7"), STR("new"));
    assert_int_equal(headers->count, 40);
    assert_true(str_equal(headers_find(headers, STR("x-7"))->value, STR("new")));
    assert_int_equal(headers_remove(headers, STR("X-7")), 1);
    assert_int_equal(headers_remove(headers, STR("X-7")), 0);
    assert_null(headers_find(headers, STR("x-7")));
    headers_set(headers, STR("Y"), STR("1"));
    assert_int_equal(headers->count, 40);
    exchange_recorder_free(exchange);
}

static void count_sent(struct exchange *exchange, void *arg)
{
    (void)exchange;
    ++*(int *)arg;
}

static void a_streamed_answer_is_written_down(void **state)
{
    struct exchange *exchange = make();
    const struct exchange_recording *recording = exchange_recorder_recording(exchange);
    struct exchange_answer answer;
    int sent = 0;

    (void)state;
    exchange_answer_init(exchange, &answer, 203);
    headers_add(&answer.headers, STR("A"), STR("b"));
    exchange_begin(exchange, &answer, -1);
    exchange_send(exchange, STR("one "), EXCHANGE_MORE, count_sent, &sent);
    assert_int_equal(sent, 0);
    assert_true(exchange_recorder_sent(exchange));
    assert_false(exchange_recorder_sent(exchange));
    assert_int_equal(sent, 1);
    exchange_send(exchange, STR("two"), EXCHANGE_LAST, NULL, NULL);
    assert_true(recording->complete);
    assert_int_equal(recording->status, 203);
    assert_int_equal(recording->answers, 1);
    assert_string_equal(recording->body.at, "one two");
    assert_non_null(headers_find(&recording->headers, STR("a")));
    exchange_recorder_free(exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_told_once_the_last_first),
        cmocka_unit_test(headers_compare_without_case_and_keep_their_spelling),
        cmocka_unit_test(a_streamed_answer_is_written_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
