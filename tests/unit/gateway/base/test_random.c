/*
 * Random bytes and the seeded sequence; time.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/random.h"

static void bytes_of_the_kernel_differ(void **state)
{
    uint8_t first[64];
    uint8_t second[64];
    (void)state;
    random_bytes(first, sizeof(first));
    random_bytes(second, sizeof(second));
    assert_memory_not_equal(first, second, sizeof(first));
    assert_true(random_u64() != random_u64());
    random_bytes(NULL, 0);
}

static void keys_are_letters_and_digits(void **state)
{
    char key[33];
    bool seen[128] = {false};
    (void)state;
    for (int i = 0; i < 200; i++) {
        random_alphanumeric(key, 32);
        assert_int_equal(strlen(key), 32);
        for (const char *at = key; *at != '\0'; at++)
            seen[(unsigned char)*at & 127] = true;
    }
    /* 6400 draws: a character that cannot come would be missing, one that can is missing once in 10^43. */
    for (int c = 0; c < 128; c++) {
        bool expected = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        assert_int_equal(seen[c], expected);
    }
    random_alphanumeric(key, 0);
    assert_string_equal(key, "");
}

static void the_same_seed_is_the_same_sequence(void **state)
{
    struct random_sequence first;
    struct random_sequence second;
    (void)state;
    random_seed(&first, 1234567);
    random_seed(&second, 1234567);
    assert_true(random_next(&first) == 6457827717110365317U); /* splitmix64 for this seed */
    (void)random_next(&second);
    for (int i = 0; i < 100; i++)
        assert_true(random_next(&first) == random_next(&second));
}

static void fractions_are_below_one_and_spread(void **state)
{
    struct random_sequence sequence;
    double sum = 0;
    (void)state;
    random_seed(&sequence, 7);
    for (int i = 0; i < 10000; i++) {
        double fraction = random_fraction(&sequence);
        assert_true(fraction >= 0 && fraction < 1);
        sum += fraction;
    }
    assert_true(sum > 4800 && sum < 5200);
}

static int64_t fixed(void *arg)
{
    return *(const int64_t *)arg;
}

static void units_are_those_of_the_names(void **state)
{
    int64_t now_us = 1795400100999999;
    const struct clock clock = {fixed, fixed, &now_us};
    (void)state;
    assert_true(clock_now_us(&clock) == 1795400100999999);
    assert_true(clock_now_ms(&clock) == 1795400100999);
    assert_true(clock_unix_s(&clock) == 1795400100);
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
    int64_t last = clock_now_us(clock_system());
    (void)state;
    assert_true(clock_unix_s(clock_system()) > 1700000000);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now_us(clock_system());
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_the_kernel_differ),
        cmocka_unit_test(keys_are_letters_and_digits),
        cmocka_unit_test(the_same_seed_is_the_same_sequence),
        cmocka_unit_test(fractions_are_below_one_and_spread),
        cmocka_unit_test(units_are_those_of_the_names),
        cmocka_unit_test(the_monotonic_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
