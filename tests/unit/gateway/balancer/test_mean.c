/*
 * mean: 10 s of decay, whatever the rate of values.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/balancer/mean.h"
#include "gateway/base/attributes.h"

static void is_near(float value, double expected)
{
    if (fabs((double)value - expected) > expected / 1000)
        fail_msg("%f instead of %f", (double)value, expected);
}

static void nothing_is_known_at_first(void **state)
{
    struct mean mean = {0};

    (void)state;
    assert_true(mean_at(&mean, 1000) == 0);
}

static void the_first_value_is_the_mean_and_decays_in_ten_seconds(void **state)
{
    struct mean mean = {0};

    (void)state;
    mean_add(&mean, 5000, 1000);
    is_near(mean_at(&mean, 1000), 5000);
    is_near(mean_at(&mean, 11000), 5000 / exp(1));
    is_near(mean_at(&mean, 21000), 5000 / exp(2));
}

static void a_value_weighs_what_the_time_before_it_has_lost(void **state)
{
    struct mean mean = {0};

    (void)state;
    mean_add(&mean, 1000, 0);
    mean_add(&mean, 9000, 10000);
    is_near(mean_at(&mean, 10000), 1000 / exp(1) + 9000 * (1 - 1 / exp(1)));
}

/* Values every 1, 10, 100 ms: after ten seconds of 9000 the mean has come the same way from 1000. */
static void how_fast_it_follows_depends_on_time_only(void **state)
{
    static const int64_t steps_ms[] = {1, 10, 100};

    (void)state;
    for (size_t i = 0; i < COUNT(steps_ms); i++) {
        struct mean mean = {0};
        mean_add(&mean, 1000, 0);
        for (int64_t now_ms = steps_ms[i]; now_ms <= 10000; now_ms += steps_ms[i])
            mean_add(&mean, 9000, now_ms);
        is_near(mean_at(&mean, 10000), 9000 - 8000 / exp(1));
    }
}

static void a_clock_that_is_a_little_behind_changes_nothing(void **state)
{
    struct mean mean = {0};

    (void)state;
    mean_add(&mean, 1000, 50000);
    mean_add(&mean, 9000, 49990);
    is_near(mean_at(&mean, 49990), 1000);
}

/* The time is 32 bits of milliseconds inside: 49 days. */
static void the_clock_may_pass_32_bits(void **state)
{
    const int64_t end_ms = INT64_C(1) << 32;
    struct mean mean = {0};

    (void)state;
    mean_add(&mean, 1000, end_ms - 5000);
    is_near(mean_at(&mean, end_ms + 5000), 1000 / exp(1));
    mean_add(&mean, 1000, end_ms + 40 * INT64_C(86400000));
    is_near(mean_at(&mean, end_ms + 40 * INT64_C(86400000)), 1000);
}

static void a_beginning_does_not_replace_what_is_known(void **state)
{
    struct mean known = {0};
    struct mean unknown = {0};

    (void)state;
    mean_add(&known, 1000, 0);
    mean_begin(&known, 7000, 0);
    mean_begin(&unknown, 7000, 0);
    is_near(mean_at(&known, 0), 1000);
    is_near(mean_at(&unknown, 0), 7000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(the_first_value_is_the_mean_and_decays_in_ten_seconds),
        cmocka_unit_test(a_value_weighs_what_the_time_before_it_has_lost),
        cmocka_unit_test(how_fast_it_follows_depends_on_time_only),
        cmocka_unit_test(a_clock_that_is_a_little_behind_changes_nothing),
        cmocka_unit_test(the_clock_may_pass_32_bits),
        cmocka_unit_test(a_beginning_does_not_replace_what_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
