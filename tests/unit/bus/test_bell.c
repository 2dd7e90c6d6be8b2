/* The bell: at once when it is quiet, at a bounded rate when it is not, always for our own commits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/bell.h"

enum {
    SECOND_US = 1000000
};

/* Rings once a millisecond for a second, polling whenever one is due; returns the polls. */
static int ring_for_a_second(struct bell *bell, int64_t from_us)
{
    int polls = 0;

    for (int64_t now_us = from_us; now_us < from_us + SECOND_US; now_us += 1000) {
        (void)bell_ring(bell, now_us, 0.5);
        if (bell->due_us <= now_us && bell_take(bell))
            polls++;
    }
    return polls;
}

static void the_first_ring_is_answered_at_once(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    assert_int_equal(bell.due_us, BELL_NEVER);
    assert_int_equal(bell_ring(&bell, 5000, 0.99), BELL_RUNG);
    assert_int_equal(bell.due_us, 5000);
}

static void rings_before_the_poll_are_one(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    (void)bell_ring(&bell, 5000, 0);
    assert_int_equal(bell_ring(&bell, 5001, 0), BELL_COALESCED);
    assert_true(bell_take(&bell));
    assert_false(bell_take(&bell));
}

static void a_ring_during_a_poll_asks_for_another(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    (void)bell_ring(&bell, 5000, 0);
    assert_true(bell_take(&bell));
    assert_int_equal(bell_ring(&bell, 5001, 0), BELL_RUNG);
    assert_int_equal(bell.due_us, 5001);
}

static void a_burst_is_answered_and_then_limited(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    for (int i = 0; i < BELL_BURST; i++) {
        assert_int_equal(bell_ring(&bell, 1000, 0), BELL_RUNG);
        assert_true(bell_take(&bell));
    }
    assert_int_equal(bell_ring(&bell, 1000, 0), BELL_LIMITED);
    assert_true(bell.due_us > 1000);
    assert_true(bell.due_us <= 1000 + bell.interval_us);
}

static void the_rate_follows_the_number_of_nodes(void **state)
{
    const struct {
        uint64_t nodes;
        int per_second;
    } cases[] = {{0, 100}, {1, 100}, {10, 100}, {20, 50}, {50, 20}, {100, 10}, {5000, 10}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bell bell;
        int polls;

        bell_init(&bell);
        bell_set_nodes(&bell, cases[i].nodes);
        polls = ring_for_a_second(&bell, 0);
        assert_in_range(polls, cases[i].per_second, cases[i].per_second + BELL_BURST);
        polls = ring_for_a_second(&bell, SECOND_US);
        assert_in_range(polls, cases[i].per_second - 2, cases[i].per_second + 1);
    }
}

static void the_bucket_fills_up_again_in_quiet(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    (void)ring_for_a_second(&bell, 0);
    (void)bell_take(&bell);
    for (int i = 0; i < BELL_BURST; i++) {
        assert_int_equal(bell_ring(&bell, 5 * SECOND_US, 0), BELL_RUNG);
        assert_true(bell_take(&bell));
    }
}

static void an_own_commit_passes_the_bucket(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    (void)ring_for_a_second(&bell, 0);
    for (int i = 0; i < 1000; i++) {
        bell_wake(&bell, SECOND_US);
        assert_int_equal(bell.due_us, SECOND_US);
        assert_true(bell_take(&bell));
    }
}

static void an_own_commit_hastens_a_limited_ring(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    (void)ring_for_a_second(&bell, 0);
    (void)bell_take(&bell);
    (void)bell_ring(&bell, SECOND_US, 0);
    bell_wake(&bell, SECOND_US);
    assert_int_equal(bell.due_us, SECOND_US);
    bell_wake(&bell, SECOND_US + 5);
    assert_int_equal(bell.due_us, SECOND_US);
}

static void a_large_cluster_spreads_its_answers(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    bell_set_nodes(&bell, 1000);
    (void)bell_ring(&bell, 1000, 0.5);
    assert_int_equal(bell.due_us, 1000 + 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_ring_is_answered_at_once),
        cmocka_unit_test(rings_before_the_poll_are_one),
        cmocka_unit_test(a_ring_during_a_poll_asks_for_another),
        cmocka_unit_test(a_burst_is_answered_and_then_limited),
        cmocka_unit_test(the_rate_follows_the_number_of_nodes),
        cmocka_unit_test(the_bucket_fills_up_again_in_quiet),
        cmocka_unit_test(an_own_commit_passes_the_bucket),
        cmocka_unit_test(an_own_commit_hastens_a_limited_ring),
        cmocka_unit_test(a_large_cluster_spreads_its_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
