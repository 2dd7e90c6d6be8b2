/*
 * round_robin: exact over a turn, even within it, and not in step.
 */

#include "targets.h"

static uint32_t divisor_of(uint32_t a, uint32_t b)
{
    return b == 0 ? a : divisor_of(b, a % b);
}

/* Picks in a full turn. */
static uint32_t turn_of(const struct targets *targets)
{
    uint32_t sum = 0;
    uint32_t divisor = 0;

    for (size_t i = 0; i < targets->spec.count; i++) {
        sum += targets->members[i].weight;
        divisor = divisor_of(divisor, targets->members[i].weight);
    }
    return divisor > 0 ? sum / divisor : 0;
}

static void count_picks(struct targets *targets, uint32_t picks, uint32_t counts[TARGETS_MAX])
{
    memset(counts, 0, TARGETS_MAX * sizeof(*counts));
    for (uint32_t i = 0; i < picks; i++)
        counts[targets_pick(targets, 0)]++;
}

static void four_requests_are_split_three_to_one(void **state)
{
    static const uint32_t weights[] = {300, 100};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t counts[TARGETS_MAX];

    (void)state;
    for (int turn = 0; turn < 100; turn++) {
        count_picks(targets, 4, counts);
        assert_int_equal(counts[0], 3);
        assert_int_equal(counts[1], 1);
    }
    targets_close(targets);
}

/* Any weights, turn after turn; also from any place in the turn on. */
static void a_full_turn_is_exact_whatever_the_weights(void **state)
{
    uint32_t counts[TARGETS_MAX];

    (void)state;
    for (uint32_t round = 0; round < 100; round++) {
        struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 1 + round);
        uint32_t divisor = 0;
        for (size_t i = 0; i < targets->spec.count; i++)
            targets->members[i].weight = (uint32_t)(random_next(&targets->random) % (1 + round * 3));
        targets->members[0].weight++;
        targets_build(targets);
        for (size_t i = 0; i < targets->spec.count; i++)
            divisor = divisor_of(divisor, targets->members[i].weight);
        for (int turn = 0; turn < 3; turn++) {
            count_picks(targets, turn_of(targets), counts);
            for (size_t i = 0; i < targets->spec.count; i++)
                assert_int_equal(counts[i], targets->members[i].weight / divisor);
            count_picks(targets, round * 7, counts);
        }
        targets_close(targets);
    }
}

static void the_greatest_weights_are_exact_too(void **state)
{
    static const uint32_t weights[] = {65535, 65534, 65533, 1, 2};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t counts[TARGETS_MAX];

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        count_picks(targets, turn_of(targets), counts);
        for (size_t i = 0; i < COUNT(weights); i++)
            assert_int_equal(counts[i], weights[i]);
    }
    targets_close(targets);
}

/* Between two picks of one peer lies about a turn / weight: never two parts of the turn without it. */
static void a_peer_is_spread_over_the_turn(void **state)
{
    static const uint32_t weights[] = {50, 30, 15, 4, 1};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t counts[TARGETS_MAX];

    (void)state;
    for (int tenth = 0; tenth < 100; tenth++) {
        count_picks(targets, 10, counts);
        assert_in_range(counts[0], 4, 6);
        assert_in_range(counts[1], 2, 4);
        assert_in_range(counts[2], 0, 3);
        assert_in_range(counts[3], 0, 1);
    }
    targets_close(targets);
}

static void the_usable_keep_their_ratio_while_others_are_down(void **state)
{
    static const uint32_t weights[] = {3, 2, 1, 5, 1};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t counts[TARGETS_MAX];

    (void)state;
    for (int round = 0; round < 50; round++) {
        count_picks(targets, (uint32_t)round % 13, counts);
        peer_set_health(targets_peer(targets, 3), false);
        for (int turn = 0; turn < 3; turn++) {
            count_picks(targets, 7, counts);
            for (uint32_t i = 0; i < COUNT(weights); i++)
                assert_int_equal(counts[i], i == 3 ? 0 : weights[i]);
        }
        peer_set_health(targets_peer(targets, 3), true);
        for (int turn = 0; turn < 3; turn++) {
            count_picks(targets, 12, counts);
            for (uint32_t i = 0; i < COUNT(weights); i++)
                assert_int_equal(counts[i], weights[i]);
        }
    }
    targets_close(targets);
}

/* Whoever was chosen last is not due again because another flips. */
static void a_flip_of_one_does_not_repeat_another(void **state)
{
    static const uint32_t weights[] = {1, 1, 1, 1};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));

    (void)state;
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t last = targets_pick(targets, 0);
        peer_set_health(targets_peer(targets, (last + 1 + i % 3) % 4), i % 2 == 1);
        assert_int_not_equal(targets_pick(targets, 0), last);
        for (uint32_t number = 0; number < 4; number++)
            peer_set_health(targets_peer(targets, number), true);
    }
    targets_close(targets);
}

/* Many of a thousand are due at the same time: that is no excuse for a window that begins between them. */
static void any_window_as_long_as_a_turn_is_exact(void **state)
{
    struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, TARGETS_MAX);
    uint32_t counts[TARGETS_MAX];

    (void)state;
    targets_build(targets);
    for (uint32_t from = 0; from < 300; from++) {
        count_picks(targets, TARGETS_MAX, counts);
        for (size_t i = 0; i < TARGETS_MAX; i++)
            assert_int_equal(counts[i], 1);
        (void)targets_pick(targets, 0);
    }
    targets_close(targets);
}

/* What it has missed is not made up for. */
static void a_peer_that_comes_back_does_not_catch_up(void **state)
{
    static const uint32_t weights[] = {1, 1, 1, 1};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t counts[TARGETS_MAX];

    (void)state;
    peer_set_health(targets_peer(targets, 2), false);
    count_picks(targets, 3001, counts);
    peer_set_health(targets_peer(targets, 2), true);
    count_picks(targets, 40, counts);
    assert_in_range(counts[2], 10, 11);
    targets_close(targets);
}

static void a_retry_leaves_the_ratio_alone(void **state)
{
    static const uint32_t weights[] = {3, 2, 1};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t counts[3] = {0};

    (void)state;
    for (int i = 0; i < 600; i++) {
        const struct peer *tried[1];
        const struct balancer_entry *entry = NULL;
        size_t tried_count = 0;
        if (i % 2 == 1) {
            tried[0] = targets_peer(targets, (uint32_t)i / 2 % 3);
            tried_count = 1;
        }
        assert_int_equal(targets_ask(targets, 0, tried, tried_count, &entry), BALANCER_CHOSEN);
        counts[targets_number(entry->peer)]++;
    }
    /* Every second pick avoids one of the three in turn; what it skips is due right after. */
    assert_in_range(counts[0], 299, 301);
    assert_in_range(counts[1], 199, 201);
    assert_in_range(counts[2], 99, 101);
    targets_close(targets);
}

/* Loops of a node, and balancers after each edit, do not all begin with the same peer. */
static void cursors_begin_anywhere(void **state)
{
    struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 10);
    uint32_t first[10] = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        targets_build(targets);
        first[targets_pick(targets, 0)]++;
    }
    for (size_t i = 0; i < COUNT(first); i++)
        assert_in_range(first[i], 60, 150);
    targets_close(targets);
}

/* Time inside is counted in turns and wraps after 2^16 of them; here a turn is two picks. */
static void time_may_wrap(void **state)
{
    static const uint32_t weights[] = {1, 1};
    struct targets *targets = targets_of(BALANCING_ROUND_ROBIN, weights, COUNT(weights));
    uint32_t picks[2] = {0};

    (void)state;
    for (uint32_t i = 0; i < 2 * (UINT32_C(1) << 16) + 10; i++)
        picks[targets_pick(targets, 0)]++;
    assert_int_equal(picks[0], picks[1]);
    peer_set_health(targets_peer(targets, 0), false);
    peer_set_health(targets_peer(targets, 0), true);
    memset(picks, 0, sizeof(picks));
    for (uint32_t i = 0; i < 100; i++)
        picks[targets_pick(targets, 0)]++;
    assert_int_equal(picks[0], picks[1]);
    targets_close(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_requests_are_split_three_to_one),
        cmocka_unit_test(a_full_turn_is_exact_whatever_the_weights),
        cmocka_unit_test(the_greatest_weights_are_exact_too),
        cmocka_unit_test(a_peer_is_spread_over_the_turn),
        cmocka_unit_test(the_usable_keep_their_ratio_while_others_are_down),
        cmocka_unit_test(a_flip_of_one_does_not_repeat_another),
        cmocka_unit_test(any_window_as_long_as_a_turn_is_exact),
        cmocka_unit_test(a_peer_that_comes_back_does_not_catch_up),
        cmocka_unit_test(a_retry_leaves_the_ratio_alone),
        cmocka_unit_test(cursors_begin_anywhere),
        cmocka_unit_test(time_may_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
