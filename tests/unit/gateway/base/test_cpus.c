#include "gateway/base/cpus.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"

static void quotas_are_rounded_up(void **state)
{
    static const struct {
        const char *text;
        int count;
    } rows[] = {{"max 100000\n", 0},
                {"100000 100000\n", 1},
                {"100001 100000\n", 2},
                {"50000 100000\n", 1},
                {"250000 100000", 3},
                {"0 100000", 0},
                {"-1 100000", 0},
                {"100000 0", 0},
                {"100000", 0},
                {"", 0},
                {"9000000000000000000 1", 4096},
                {"400000 200000", 2}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(cpus_of_quota(rows[i].text), rows[i].count);
}

static void affinity_counts(void **state)
{
    cpu_set_t before, one;

    (void)state;
    assert_true(cpus_usable() >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(cpus_usable(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_are_rounded_up),
        cmocka_unit_test(affinity_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
