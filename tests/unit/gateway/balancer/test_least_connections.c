/*
 * least_connections: exactly the smallest (connections + 1) / weight, and of equals each as likely.
 */

#include "targets.h"

static void begin(struct targets *targets, uint32_t number, uint32_t requests)
{
    for (uint32_t i = 0; i < requests; i++)
        peer_begin(targets_peer(targets, number));
}

static void end_all(struct targets *targets)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(targets->balancer, &count);

    for (size_t i = 0; i < count; i++)
        while (atomic_load(&entries[i].peer->connections) > 0)
            peer_end(entries[i].peer);
}

static bool is_least(const struct targets *targets, const struct balancer_entry *chosen)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(targets->balancer, &count);
    uint64_t chosen_load = atomic_load(&chosen->peer->connections) + 1;

    for (size_t i = 0; i < count; i++) {
        uint64_t load = atomic_load(&entries[i].peer->connections) + 1;
        if (entries[i].weight > 0 && health_is_good(&entries[i].peer->health) &&
            load * chosen->weight < chosen_load * entries[i].weight)
            return false;
    }
    return true;
}

/* Random weights, loads and failures; with few and with many idle peers. */
static void the_chosen_one_is_always_the_least(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct targets *targets = targets_open(BALANCING_LEAST_CONNECTIONS, 2 + round % 40);
        for (size_t i = 0; i < targets->spec.count; i++)
            targets->members[i].weight = (uint32_t)(random_next(&targets->random) % 5 * (1 + round % 7));
        targets->members[0].weight = 1;
        targets_build(targets);
        for (uint32_t i = 1; i < targets->spec.count; i++) {
            if (random_next(&targets->random) % 4 == 0)
                peer_set_health(targets_peer(targets, i), false);
            begin(targets, i, (uint32_t)(random_next(&targets->random) % (1 + round % 10)));
        }
        for (int step = 0; step < 200; step++) {
            const struct balancer_entry *entry = NULL;
            assert_int_equal(targets_ask(targets, 0, NULL, 0, &entry), BALANCER_CHOSEN);
            assert_true(is_least(targets, entry));
            peer_begin(entry->peer);
        }
        end_all(targets);
        targets_close(targets);
    }
}

static void the_greatest_weights_and_counts_do_not_overflow(void **state)
{
    static const uint32_t weights[] = {65535, 1};
    struct targets *targets = targets_of(BALANCING_LEAST_CONNECTIONS, weights, COUNT(weights));

    (void)state;
    atomic_store(&targets_peer(targets, 0)->connections, UINT32_MAX);
    assert_int_equal(targets_pick(targets, 0), 1);
    atomic_store(&targets_peer(targets, 0)->connections, 0);
    targets_close(targets);
}

/* Held open, requests spread as the weights say. */
static void requests_under_way_are_as_the_weights(void **state)
{
    static const uint32_t weights[] = {100, 200, 300};
    struct targets *targets = targets_of(BALANCING_LEAST_CONNECTIONS, weights, COUNT(weights));

    (void)state;
    for (int i = 0; i < 600; i++)
        peer_begin(targets_peer(targets, targets_pick(targets, 0)));
    for (uint32_t i = 0; i < COUNT(weights); i++)
        assert_int_equal(atomic_load(&targets_peer(targets, i)->connections), weights[i]);
    end_all(targets);
    targets_close(targets);
}

static void assert_even(struct targets *targets, uint32_t from, uint32_t to)
{
    uint32_t counts[TARGETS_MAX] = {0};

    for (int i = 0; i < 6000; i++)
        counts[targets_pick(targets, 0)]++;
    for (uint32_t i = 0; i < targets->spec.count; i++) {
        uint32_t wanted = i >= from && i < to ? 6000 / (to - from) : 0;
        if (counts[i] < wanted * 85 / 100 || counts[i] > wanted * 115 / 100)
            fail_msg("peer %u was chosen %u times instead of %u", i, counts[i], wanted);
    }
}

static void of_equals_each_is_as_likely(void **state)
{
    static const uint32_t equal[] = {100, 100, 100, 100, 100, 100};
    struct targets *targets = targets_of(BALANCING_LEAST_CONNECTIONS, equal, COUNT(equal));

    (void)state;
    assert_even(targets, 0, 6); /* all idle */
    begin(targets, 0, 1);
    begin(targets, 1, 2);
    assert_even(targets, 2, 6); /* some idle */
    for (uint32_t i = 2; i < 6; i++)
        begin(targets, i, 3);
    begin(targets, 0, 2);
    begin(targets, 1, 1);
    assert_even(targets, 0, 6); /* none idle */
    end_all(targets);
    targets_close(targets);
}

/* A heavier peer with a request under way can equal an idle one. */
static void equals_may_have_different_weights(void **state)
{
    static const uint32_t weights[] = {100, 200};
    struct targets *targets = targets_of(BALANCING_LEAST_CONNECTIONS, weights, COUNT(weights));

    (void)state;
    assert_even(targets, 1, 2);
    begin(targets, 1, 1);
    assert_even(targets, 0, 2);
    begin(targets, 1, 1);
    assert_even(targets, 0, 1);
    end_all(targets);
    targets_close(targets);
}

static void a_retry_avoids_the_idle_peer_that_failed(void **state)
{
    static const uint32_t weights[] = {1, 1, 1};
    struct targets *targets = targets_of(BALANCING_LEAST_CONNECTIONS, weights, COUNT(weights));
    const struct balancer_entry *entry = NULL;

    (void)state;
    begin(targets, 1, 5);
    begin(targets, 2, 3);
    const struct peer *tried[] = {targets_peer(targets, 0), targets_peer(targets, 2)};
    for (int i = 0; i < 50; i++) {
        assert_int_equal(targets_ask(targets, 0, tried, 1, &entry), BALANCER_CHOSEN);
        assert_int_equal(targets_number(entry->peer), 2);
        assert_int_equal(targets_ask(targets, 0, tried, 2, &entry), BALANCER_CHOSEN);
        assert_int_equal(targets_number(entry->peer), 1);
    }
    end_all(targets);
    targets_close(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_one_is_always_the_least),
        cmocka_unit_test(the_greatest_weights_and_counts_do_not_overflow),
        cmocka_unit_test(requests_under_way_are_as_the_weights),
        cmocka_unit_test(of_equals_each_is_as_likely),
        cmocka_unit_test(equals_may_have_different_weights),
        cmocka_unit_test(a_retry_avoids_the_idle_peer_that_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
