/*
 * balancer: what all algorithms promise. Who is usable, when nobody is, and what a new set of peers keeps.
 */

#include <pthread.h>

#include "targets.h"

static const enum balancing all[] = {BALANCING_ROUND_ROBIN, BALANCING_CONSISTENT_HASHING,
                                     BALANCING_LEAST_CONNECTIONS, BALANCING_LATENCY};

static enum balancer_answer answer_of(struct targets *targets)
{
    const struct balancer_entry *entry;

    return targets_ask(targets, 0, NULL, 0, &entry);
}

static void without_weight_there_are_no_targets(void **state)
{
    static const uint32_t zero[] = {0, 0};

    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        struct targets *none = targets_of(all[i], NULL, 0);
        struct targets *weightless = targets_of(all[i], zero, COUNT(zero));
        assert_int_equal(answer_of(none), BALANCER_NO_TARGETS);
        assert_int_equal(answer_of(weightless), BALANCER_NO_TARGETS);
        targets_close(none);
        targets_close(weightless);
    }
}

static void weight_zero_is_listed_and_never_chosen(void **state)
{
    static const uint32_t weights[] = {5, 0, 3};
    size_t count;

    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        struct targets *targets = targets_of(all[i], weights, COUNT(weights));
        const struct balancer_entry *entries = balancer_entries(targets->balancer, &count);
        assert_int_equal(count, 3);
        assert_int_equal(entries[1].weight, 0);
        for (uint32_t hash = 0; hash < 2000; hash++)
            assert_int_not_equal(targets_pick(targets, hash), 1);
        targets_close(targets);
    }
}

static void entries_are_sorted_and_know_their_target(void **state)
{
    struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 5);
    size_t count;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        targets->members[i] =
            (struct balancer_member){.address = targets_address(9 - i), .weight = i, .target = 40 + i};
    targets_build(targets);
    const struct balancer_entry *entries = balancer_entries(targets->balancer, &count);
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(targets_number(entries[i].peer), 5 + i);
        assert_int_equal(entries[i].weight, 4 - i);
        assert_int_equal(entries[i].target, 44 - i);
    }
    targets_close(targets);
}

/* Reference 7.4: threshold 50 with two equal peers and one down is too little. */
static void more_than_the_threshold_has_to_be_available(void **state)
{
    static const struct {
        double threshold;
        uint32_t up, down;
        bool healthy;
    } rows[] = {
        {0, 1, 65535, true}, {0, 0, 100, false},     {50, 100, 100, false}, {50, 101, 100, true},
        {50, 1, 0, true},    {49.9, 100, 100, true}, {100, 100, 0, false},  {99.9, 100, 0, true},
        {25, 1, 3, false},   {24, 1, 3, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct balancer_availability availability;
        struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 2);
        targets->members[0].weight = rows[i].up;
        targets->members[1].weight = rows[i].down;
        targets->spec.threshold = rows[i].threshold;
        targets_build(targets);
        peer_set_health(targets_peer(targets, 1), false);
        balancer_availability(targets->balancer, &availability);
        assert_int_equal(availability.total, rows[i].up + rows[i].down);
        assert_int_equal(availability.available, rows[i].up);
        assert_int_equal(availability.healthy, rows[i].healthy);
        assert_int_equal(answer_of(targets), rows[i].healthy ? BALANCER_CHOSEN : BALANCER_UNHEALTHY);
        targets_close(targets);
    }
}

static void a_flip_is_seen_by_the_next_pick(void **state)
{
    static const uint32_t weights[] = {1, 1};

    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        struct targets *targets = targets_of(all[i], weights, COUNT(weights));
        for (uint32_t round = 0; round < 20; round++) {
            peer_set_health(targets_peer(targets, round % 2), false);
            for (uint32_t hash = 0; hash < 10; hash++)
                assert_int_equal(targets_pick(targets, hash * 977), 1 - round % 2);
            peer_set_health(targets_peer(targets, 1 - round % 2), false);
            assert_int_equal(answer_of(targets), BALANCER_UNHEALTHY);
            peer_set_health(targets_peer(targets, 0), true);
            peer_set_health(targets_peer(targets, 1), true);
        }
        targets_close(targets);
    }
}

/* A request that goes on trying gets each usable peer once, and is then told that this was all. */
static void each_usable_peer_is_tried_once(void **state)
{
    enum {
        PEERS = 20
    };

    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        struct targets *targets = targets_open(all[i], PEERS);
        for (uint32_t peer = 0; peer < PEERS; peer++)
            targets->members[peer].weight = 1 + peer * 7 % 5;
        targets_build(targets);
        for (uint32_t peer = 0; peer < PEERS; peer += 4)
            peer_set_health(targets_peer(targets, peer), false);
        for (uint32_t round = 0; round < 50; round++) {
            const struct peer *tried[PEERS];
            const struct balancer_entry *entry = NULL;
            size_t count = 0;
            while (targets_ask(targets, round * 977, tried, count, &entry) == BALANCER_CHOSEN) {
                assert_true(count < PEERS);
                assert_true(targets_number(entry->peer) % 4 != 0);
                for (size_t before = 0; before < count; before++)
                    assert_ptr_not_equal(tried[before], entry->peer);
                tried[count++] = entry->peer;
            }
            assert_int_equal(count, PEERS - PEERS / 4);
            assert_int_equal(targets_ask(targets, round * 977, tried, count, &entry), BALANCER_ALL_TRIED);
            assert_int_equal(answer_of(targets), BALANCER_CHOSEN);
        }
        targets_close(targets);
    }
}

/* Random weights and random failures: only usable peers, and one whenever there is enough. */
static void any_weights_and_failures_give_usable_peers(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct targets *targets = targets_open(all[round % COUNT(all)], 1 + round % 50);
        for (size_t i = 0; i < targets->spec.count; i++)
            targets->members[i].weight = (uint32_t)(random_next(&targets->random) % 4 * (round + 1));
        targets->spec.slots = 10 + round * 3;
        targets_build(targets);
        for (uint32_t step = 0; step < 100; step++) {
            uint32_t number = (uint32_t)(random_next(&targets->random) % targets->spec.count);
            const struct balancer_entry *entry = NULL;
            struct balancer_availability availability;
            peer_set_health(targets_peer(targets, number), random_next(&targets->random) % 2 == 0);
            balancer_availability(targets->balancer, &availability);
            enum balancer_answer answer =
                targets_ask(targets, (uint32_t)random_next(&targets->random), NULL, 0, &entry);
            assert_int_equal(answer, availability.total == 0 ? BALANCER_NO_TARGETS
                                     : availability.healthy  ? BALANCER_CHOSEN
                                                             : BALANCER_UNHEALTHY);
            if (answer == BALANCER_CHOSEN)
                assert_true(entry->weight > 0 && health_is_good(&entry->peer->health));
        }
        targets_close(targets);
    }
}

static void what_is_known_of_a_peer_survives_a_new_balancer(void **state)
{
    struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 3);

    (void)state;
    targets_build(targets);
    peer_set_health(targets_peer(targets, 1), false);
    struct peer *peer = targets_peer(targets, 1);
    targets->members[1].weight = 7;
    targets->spec.balancing = BALANCING_LEAST_CONNECTIONS;
    targets_build(targets);
    assert_ptr_equal(targets_peer(targets, 1), peer);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_not_equal(targets_pick(targets, i), 1);
    targets_close(targets);
}

static void members_in_another_order_are_the_same_balancer(void **state)
{
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 10);
    struct balancer_spec *spec = &targets->spec;

    (void)state;
    targets_build(targets);
    for (size_t i = 0; i < spec->count; i++) {
        size_t with = random_next(&targets->random) % spec->count;
        struct balancer_member moved = targets->members[i];
        targets->members[i] = targets->members[with];
        targets->members[with] = moved;
        assert_true(balancer_is_made_of(targets->balancer, spec));
    }
    targets->members[3].weight++;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    targets->members[3].weight--;
    targets->members[3].target += 100;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    targets->members[3].target -= 100;
    targets->members[3].address.port[1]++;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    targets->members[3].address.port[1]--;
    spec->count--;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    spec->count++;
    spec->slots++;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    spec->slots--;
    spec->threshold = 1;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    spec->threshold = 0;
    spec->balancing = BALANCING_LATENCY;
    assert_false(balancer_is_made_of(targets->balancer, spec));
    spec->balancing = BALANCING_CONSISTENT_HASHING;
    assert_true(balancer_is_made_of(targets->balancer, spec));
    targets_close(targets);
}

static void a_cursor_keeps_its_balancer(void **state)
{
    struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 3);

    (void)state;
    targets_build(targets);
    balancer_unref(targets->balancer);
    targets->balancer = NULL;
    assert_true(targets_pick(targets, 0) < 3);
    assert_non_null(cursor_balancer(targets->cursor));
    targets_close(targets);
}

enum {
    LOOPS = 3,
    BALANCERS = 60,
    PICKS = 200
};

/* Has a reference to each of the balancers. */
struct worker {
    pthread_t thread;
    struct balancer *balancers[BALANCERS];
};

static void *work(void *arg)
{
    const struct health_limits limits = {.successes = 1, .tcp_failures = 1};
    struct worker *worker = arg;
    struct random_sequence random;

    random_seed(&random, (uint64_t)(uintptr_t)worker);
    for (size_t i = 0; i < BALANCERS; i++) {
        struct balancer_cursor *cursor = cursor_new(worker->balancers[i], &random);
        const struct balancer_query query = {.hash = (uint32_t)i, .random = &random, .now_ms = (int64_t)i};
        balancer_unref(worker->balancers[i]);
        for (size_t j = 0; j < PICKS; j++) {
            const struct balancer_entry *entry;
            if (balancer_pick(cursor, &query, &entry) != BALANCER_CHOSEN)
                continue;
            peer_begin(entry->peer);
            peer_answered(entry->peer, 1000, query.now_ms);
            peer_report(entry->peer, &limits, j % 3 == 0 ? HEALTH_TCP_FAILURE : HEALTH_SUCCESS);
            peer_end(entry->peer);
        }
        cursor_free(cursor);
    }
    return NULL;
}

/* For the sanitizers: loops with cursors of their own on balancers that others let go of. */
static void loops_share_balancers_and_peers(void **state)
{
    struct worker workers[LOOPS];
    struct targets *targets = targets_open(BALANCING_ROUND_ROBIN, 20);

    (void)state;
    for (size_t i = 0; i < BALANCERS; i++) {
        targets->spec.balancing = all[i % COUNT(all)];
        targets->spec.count = 1 + i % 20;
        struct balancer *balancer = balancer_new(&targets->spec, 0);
        for (size_t j = 0; j < LOOPS; j++)
            workers[j].balancers[i] = balancer_ref(balancer);
        balancer_unref(balancer);
    }
    for (size_t i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (size_t i = 0; i < LOOPS; i++)
        pthread_join(workers[i].thread, NULL);
    peer_table_sweep(targets->table, 0);
    peer_table_sweep(targets->table, PEER_MEMORY_MS);
    assert_int_equal(peer_table_count(targets->table), 0);
    targets_close(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_weight_there_are_no_targets),
        cmocka_unit_test(weight_zero_is_listed_and_never_chosen),
        cmocka_unit_test(entries_are_sorted_and_know_their_target),
        cmocka_unit_test(more_than_the_threshold_has_to_be_available),
        cmocka_unit_test(a_flip_is_seen_by_the_next_pick),
        cmocka_unit_test(each_usable_peer_is_tried_once),
        cmocka_unit_test(any_weights_and_failures_give_usable_peers),
        cmocka_unit_test(what_is_known_of_a_peer_survives_a_new_balancer),
        cmocka_unit_test(members_in_another_order_are_the_same_balancer),
        cmocka_unit_test(a_cursor_keeps_its_balancer),
        cmocka_unit_test(loops_share_balancers_and_peers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
