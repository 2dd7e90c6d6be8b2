/* Waiting times: growing, capped, jittered. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/backoff.h"

static void a_wait_is_never_above_its_step_nor_the_cap(void **state)
{
    const int64_t steps[] = {100, 200, 400, 800, 1000, 1000, 1000};
    struct backoff low, high;

    (void)state;
    backoff_init(&low, 100, 1000);
    backoff_init(&high, 100, 1000);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_int_equal(backoff_next(&low, 0.0), 1);
        assert_in_range(backoff_next(&high, 0.999999), steps[i] - 1, steps[i]);
    }
}

static void success_ends_a_series(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 100, 1000);
    (void)backoff_next(&backoff, 0.9);
    (void)backoff_next(&backoff, 0.9);
    backoff_reset(&backoff);
    assert_in_range(backoff_next(&backoff, 0.999999), 99, 100);
}

static void a_cap_below_the_first_step_holds(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 100, 50);
    for (int i = 0; i < 100; i++)
        assert_in_range(backoff_next(&backoff, i / 100.0), 1, 50);
    backoff_init(&backoff, 100, INT64_MAX);
    for (int i = 0; i < 100; i++)
        assert_true(backoff_next(&backoff, 0.0) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_never_above_its_step_nor_the_cap),
        cmocka_unit_test(success_ends_a_series),
        cmocka_unit_test(a_cap_below_the_first_step_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
