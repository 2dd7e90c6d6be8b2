/*
 * How often a client may cost the database a look-up of something that does not exist.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/chain/miss_limit.h"

enum {
    SECOND_US = 1000000
};

static const struct str ann = {"10.0.0.1", 8};
static const struct str bob = {"10.0.0.2", 8};

/* How many charges are allowed in a row at one instant. */
static int credit(struct miss_limit *limit, struct str client, int64_t now_us)
{
    int count = 0;

    while (count < 100000 && miss_limit_allows(limit, client, now_us)) {
        miss_limit_charge(limit, client, now_us);
        count++;
    }
    return count;
}

static void a_second_of_credit_may_be_used_at_once_and_comes_back(void **state)
{
    struct miss_limit *limit = miss_limit_new(100);
    int64_t now_us = 7 * (int64_t)SECOND_US;

    (void)state;
    assert_int_equal(credit(limit, ann, now_us), 100);
    assert_int_equal(credit(limit, ann, now_us), 0);
    assert_int_equal(credit(limit, ann, now_us + SECOND_US / 10), 10);
    assert_int_equal(credit(limit, ann, now_us + 10 * (int64_t)SECOND_US), 100);
    miss_limit_free(limit);
}

static void one_client_does_not_pay_for_another(void **state)
{
    struct miss_limit *limit = miss_limit_new(10);

    (void)state;
    assert_int_equal(credit(limit, ann, SECOND_US), 10);
    assert_int_equal(credit(limit, bob, SECOND_US), 10);
    miss_limit_free(limit);
}

static void who_costs_nothing_is_never_limited(void **state)
{
    struct miss_limit *limit = miss_limit_new(1);

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(miss_limit_allows(limit, ann, SECOND_US));
    miss_limit_free(limit);
}

static void zero_is_no_limit_and_a_new_rate_counts_at_once(void **state)
{
    struct miss_limit *limit = miss_limit_new(0);

    (void)state;
    assert_int_equal(credit(limit, ann, SECOND_US), 100000);
    miss_limit_set(limit, 5);
    assert_int_equal(credit(limit, ann, 2 * (int64_t)SECOND_US), 5);
    miss_limit_set(limit, 0);
    assert_int_equal(credit(limit, ann, 2 * (int64_t)SECOND_US), 100000);
    miss_limit_free(limit);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_of_credit_may_be_used_at_once_and_comes_back),
        cmocka_unit_test(one_client_does_not_pay_for_another),
        cmocka_unit_test(who_costs_nothing_is_never_limited),
        cmocka_unit_test(zero_is_no_limit_and_a_new_rate_counts_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
