/*
 * Whether a line brings back what is sent, in a time of the test's own.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/echo.h"

enum {
    SECOND = 1000000
};

static void what_comes_back_is_not_lost(void **state)
{
    struct echo echo;

    (void)state;
    echo_init(&echo, 10 * (int64_t)SECOND, 0);
    assert_false(echo_is_lost(&echo, 1000 * (int64_t)SECOND)); /* nothing is out */
    echo_sent(&echo, 11 * (int64_t)SECOND);
    assert_false(echo_is_lost(&echo, 16 * (int64_t)SECOND));
    assert_true(echo_is_lost(&echo, 16 * (int64_t)SECOND + 1));
    assert_int_equal(echo_due_us(&echo), 16 * (int64_t)SECOND + 1);
    echo_heard(&echo, 16 * (int64_t)SECOND, /* is_own= */ true, 0);
    assert_false(echo_is_lost(&echo, 1000 * (int64_t)SECOND));
}

static void the_first_message_of_several_counts(void **state)
{
    struct echo echo;

    (void)state;
    echo_init(&echo, 0, 0);
    echo_sent(&echo, 1 * (int64_t)SECOND);
    echo_sent(&echo, 5 * (int64_t)SECOND);
    assert_true(echo_is_lost(&echo, 7 * (int64_t)SECOND));
}

static void others_do_not_prove_that_our_words_arrive(void **state)
{
    struct echo echo;

    (void)state;
    echo_init(&echo, 0, 0);
    echo_sent(&echo, 1 * (int64_t)SECOND);
    echo_heard(&echo, 2 * (int64_t)SECOND, /* is_own= */ false, 0);
    assert_true(echo_is_lost(&echo, 7 * (int64_t)SECOND));
}

static void silence_asks_for_a_beacon_and_anything_heard_moves_it_away(void **state)
{
    struct echo echo;

    (void)state;
    echo_init(&echo, 0, 0.5);
    assert_false(echo_wants_beacon(&echo, 34 * (int64_t)SECOND));
    assert_true(echo_wants_beacon(&echo, 35 * (int64_t)SECOND));
    assert_int_equal(echo_due_us(&echo), 35 * (int64_t)SECOND);
    echo_heard(&echo, 30 * (int64_t)SECOND, /* is_own= */ false, 0);
    assert_false(echo_wants_beacon(&echo, 59 * (int64_t)SECOND));
    assert_true(echo_wants_beacon(&echo, 60 * (int64_t)SECOND));
    echo_sent(&echo, 60 * (int64_t)SECOND); /* it is on its way */
    assert_false(echo_wants_beacon(&echo, 61 * (int64_t)SECOND));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_back_is_not_lost),
        cmocka_unit_test(the_first_message_of_several_counts),
        cmocka_unit_test(others_do_not_prove_that_our_words_arrive),
        cmocka_unit_test(silence_asks_for_a_beacon_and_anything_heard_moves_it_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
