/*
 * latency: of two the one that answers faster for its weight; newcomers and forgotten ones get their chance.
 */

#include "targets.h"

enum {
    NOW_MS = 1000 /* when targets.h builds and asks */
};

static void count_picks(struct targets *targets, uint32_t picks, uint32_t *counts)
{
    memset(counts, 0, targets->spec.count * sizeof(*counts));
    for (uint32_t i = 0; i < picks; i++)
        counts[targets_pick(targets, 0)]++;
}

static void of_two_the_faster_is_chosen(void **state)
{
    static const uint32_t weights[] = {100, 100};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));

    (void)state;
    peer_answered(targets_peer(targets, 0), 20000, NOW_MS);
    peer_answered(targets_peer(targets, 1), 10000, NOW_MS);
    for (int i = 0; i < 100; i++)
        assert_int_equal(targets_pick(targets, 0), 1);
    targets_close(targets);
}

static void a_mean_counts_by_weight(void **state)
{
    static const uint32_t weights[] = {300, 100};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));

    (void)state;
    peer_answered(targets_peer(targets, 0), 29000, NOW_MS);
    peer_answered(targets_peer(targets, 1), 10000, NOW_MS);
    for (int i = 0; i < 100; i++)
        assert_int_equal(targets_pick(targets, 0), 0);
    targets_close(targets);
}

/* Of n, the r-th best is the better one of a pair drawn at random in n - r of n (n - 1) / 2 cases. */
static void of_many_the_faster_get_more_and_not_all(void **state)
{
    static const uint32_t weights[] = {1, 1, 1, 1, 1};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));
    uint32_t counts[5];

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        peer_answered(targets_peer(targets, i), 1000 * (i + 1), NOW_MS);
    count_picks(targets, 10000, counts);
    for (uint32_t i = 0; i < 5; i++)
        assert_in_range(counts[i], 1000 * (4 - i) - (i < 4 ? 150 : 0), 1000 * (4 - i) + (i < 4 ? 150 : 0));
    targets_close(targets);
}

static void who_was_not_asked_for_long_is_asked_again(void **state)
{
    static const uint32_t weights[] = {1, 1};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));

    (void)state;
    peer_answered(targets_peer(targets, 0), 30000, NOW_MS - 20000);
    peer_answered(targets_peer(targets, 1), 10000, NOW_MS);
    assert_int_equal(targets_pick(targets, 0), 0);
    targets_close(targets);
}

static void while_nothing_is_known_all_are_equal(void **state)
{
    static const uint32_t weights[] = {1, 1, 1, 1};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));
    uint32_t counts[4];

    (void)state;
    count_picks(targets, 4000, counts);
    for (size_t i = 0; i < 4; i++)
        assert_in_range(counts[i], 900, 1100);
    targets_close(targets);
}

static void who_has_not_answered_yet_is_neither_better_nor_worse(void **state)
{
    static const uint32_t weights[] = {1, 1};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));
    uint32_t counts[2];

    (void)state;
    peer_answered(targets_peer(targets, 0), 10000, NOW_MS);
    count_picks(targets, 4000, counts);
    assert_in_range(counts[1], 1800, 2200);
    targets_close(targets);
}

static void a_new_peer_begins_with_the_average(void **state)
{
    struct targets *targets = targets_open(BALANCING_LATENCY, 3);

    (void)state;
    targets->spec.count = 2;
    targets_build(targets);
    peer_answered(targets_peer(targets, 0), 10000, NOW_MS);
    peer_answered(targets_peer(targets, 1), 30000, NOW_MS);
    targets->spec.count = 3;
    targets_build(targets);
    assert_in_range((uint64_t)mean_at(&targets_peer(targets, 2)->response, NOW_MS), 19990, 20010);
    assert_in_range((uint64_t)mean_at(&targets_peer(targets, 0)->response, NOW_MS), 9990, 10010);
    targets_close(targets);
}

static void a_retry_goes_to_another_though_it_is_slower(void **state)
{
    static const uint32_t weights[] = {1, 1, 1};
    struct targets *targets = targets_of(BALANCING_LATENCY, weights, COUNT(weights));
    const struct balancer_entry *entry = NULL;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        peer_answered(targets_peer(targets, i), 1000 * (i + 1), NOW_MS);
    const struct peer *tried[] = {targets_peer(targets, 0), targets_peer(targets, 1)};
    for (int i = 0; i < 50; i++) {
        assert_int_equal(targets_ask(targets, 0, tried, 1, &entry), BALANCER_CHOSEN);
        assert_int_equal(targets_number(entry->peer), 1);
        assert_int_equal(targets_ask(targets, 0, tried, 2, &entry), BALANCER_CHOSEN);
        assert_int_equal(targets_number(entry->peer), 2);
    }
    targets_close(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_two_the_faster_is_chosen),
        cmocka_unit_test(a_mean_counts_by_weight),
        cmocka_unit_test(of_many_the_faster_get_more_and_not_all),
        cmocka_unit_test(who_was_not_asked_for_long_is_asked_again),
        cmocka_unit_test(while_nothing_is_known_all_are_equal),
        cmocka_unit_test(who_has_not_answered_yet_is_neither_better_nor_worse),
        cmocka_unit_test(a_new_peer_begins_with_the_average),
        cmocka_unit_test(a_retry_goes_to_another_though_it_is_slower),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
