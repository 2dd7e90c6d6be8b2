/*
 * consistent_hash: the same everywhere, by weight, and moved by a change only as far as the change goes.
 */

#include <math.h>

#include "targets.h"

enum {
    KEYS = 20000
};

static uint32_t key_hash(uint32_t key)
{
    return balancer_hash((struct str){(const char *)&key, sizeof(key)});
}

static void map_keys(struct targets *targets, uint32_t owners[KEYS])
{
    for (uint32_t key = 0; key < KEYS; key++)
        owners[key] = targets_pick(targets, key_hash(key));
}

static void the_hash_is_xxhash32_without_a_seed(void **state)
{
    (void)state;
    /* Test vectors of the xxHash specification, and the empty text's. */
    assert_int_equal(balancer_hash(STR("")), 0x02cc5d05);
    assert_int_equal(balancer_hash(STR("abc")), 0x32d153ff);
}

static void nodes_agree_whatever_order_they_heard_of_targets_in(void **state)
{
    static uint32_t owners[KEYS], others[KEYS];

    (void)state;
    for (size_t count = 1; count <= 100; count += 33) {
        struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, count);
        for (size_t i = 0; i < count; i++)
            targets->members[i].weight = 1 + (uint32_t)(random_next(&targets->random) % 200);
        targets_build(targets);
        map_keys(targets, owners);
        for (size_t i = 0; i < count; i++) {
            size_t with = random_next(&targets->random) % count;
            struct balancer_member moved = targets->members[i];
            targets->members[i] = targets->members[with];
            targets->members[with] = moved;
        }
        struct targets *node = targets_open(BALANCING_CONSISTENT_HASHING, count);
        memcpy(node->members, targets->members, sizeof(node->members));
        targets_build(node);
        map_keys(node, others);
        assert_memory_equal(owners, others, sizeof(owners));
        targets_close(node);
        targets_close(targets);
    }
}

/*
 * Other versions of Freshet must agree as well: nodes are not upgraded all at once. Worked out apart from
 * this code, from the description in consistent_hash.c.
 */
static void the_ring_is_this_one(void **state)
{
    static const uint32_t expected[] = {2, 1, 3, 3, 3, 2, 2, 3, 2, 2, 3, 2,
                                        2, 3, 1, 1, 1, 1, 2, 3, 1, 2, 1, 2};
    static const uint32_t without_3[] = {2, 1, 0, 2, 1, 2, 2, 1, 2, 2, 2, 2,
                                         2, 2, 1, 1, 1, 1, 2, 2, 1, 2, 1, 2};
    static const uint32_t weights[] = {100, 200, 300, 400};
    struct targets *targets = targets_of(BALANCING_CONSISTENT_HASHING, weights, COUNT(weights));

    (void)state;
    for (uint32_t i = 0; i < COUNT(expected); i++)
        assert_int_equal(targets_pick(targets, i * 417), expected[i]);
    peer_set_health(targets_peer(targets, 3), false);
    for (uint32_t i = 0; i < COUNT(without_3); i++)
        assert_int_equal(targets_pick(targets, i * 417), without_3[i]);
    targets_close(targets);
}

/* 160 points a peer: the share is off by about a twelfth of itself. */
static void shares_are_as_the_weights(void **state)
{
    static const uint32_t weights[] = {100, 100, 200, 50, 300, 0, 100, 100, 100, 150};
    static uint32_t owners[KEYS];
    struct targets *targets = targets_of(BALANCING_CONSISTENT_HASHING, weights, COUNT(weights));
    uint32_t counts[COUNT(weights)] = {0};

    (void)state;
    map_keys(targets, owners);
    for (size_t key = 0; key < KEYS; key++)
        counts[owners[key]]++;
    for (size_t i = 0; i < COUNT(weights); i++) {
        double share = (double)counts[i] / KEYS;
        double wanted = weights[i] / 1200.0;
        if (fabs(share - wanted) > wanted * 0.25)
            fail_msg("peer %zu has %f instead of %f", i, share, wanted);
    }
    targets_close(targets);
}

static size_t count_moved(const uint32_t *before, const uint32_t *after, uint32_t number, size_t *elsewhere)
{
    size_t moved = 0;

    *elsewhere = 0;
    for (size_t key = 0; key < KEYS; key++) {
        if (before[key] == after[key])
            continue;
        moved++;
        *elsewhere += before[key] != number && after[key] != number;
    }
    return moved;
}

/* Of equal weights, nothing moves but what the new one gets; and back. */
static void a_target_more_or_less_moves_its_share_only(void **state)
{
    static uint32_t before[KEYS], after[KEYS];
    static const size_t counts[] = {1, 2, 5, 10, 30};

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        uint32_t number = (uint32_t)counts[i];
        struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, counts[i] + 1);
        size_t elsewhere;
        targets->spec.count--;
        targets_build(targets);
        map_keys(targets, before);
        targets->spec.count++;
        targets_build(targets);
        map_keys(targets, after);
        double share = (double)count_moved(before, after, number, &elsewhere) / KEYS;
        double wanted = 1.0 / (double)(counts[i] + 1);
        assert_int_equal(elsewhere, 0);
        if (fabs(share - wanted) > wanted * 0.25)
            fail_msg("one target more than %zu moves %f", counts[i], share);
        targets->spec.count--;
        targets_build(targets);
        map_keys(targets, after);
        assert_memory_equal(before, after, sizeof(before));
        targets_close(targets);
    }
}

/* Another weight than the average changes how many points the others have: a little more moves. */
static void a_heavy_target_moves_little_else(void **state)
{
    static uint32_t before[KEYS], after[KEYS];
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 11);
    size_t elsewhere;

    (void)state;
    targets->members[10].weight = 300;
    targets->spec.count--;
    targets_build(targets);
    map_keys(targets, before);
    targets->spec.count++;
    targets_build(targets);
    map_keys(targets, after);
    size_t moved = count_moved(before, after, 10, &elsewhere);
    assert_in_range(moved, KEYS / 5, KEYS * 2 / 5);
    assert_in_range(elsewhere, 0, KEYS / 5);
    targets_close(targets);
}

/* More targets than the ring has room for points: still by weight, still only the share. */
static void a_crowded_ring_keeps_its_promises(void **state)
{
    static uint32_t before[KEYS], after[KEYS];
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 500);
    uint32_t light = 0;
    size_t elsewhere;

    (void)state;
    for (size_t i = 0; i < 500; i++)
        targets->members[i].weight = i < 250 ? 100 : 300;
    targets->members[499].weight = 200;
    targets->spec.slots = 65536;
    targets->spec.count--;
    targets_build(targets);
    map_keys(targets, before);
    for (size_t key = 0; key < KEYS; key++)
        light += before[key] < 250;
    assert_in_range(light, KEYS * 22 / 100, KEYS * 28 / 100);
    targets->spec.count++;
    targets_build(targets);
    map_keys(targets, after);
    size_t moved = count_moved(before, after, 499, &elsewhere);
    assert_in_range(moved, KEYS / 1500, KEYS / 200);
    assert_in_range(elsewhere, 0, KEYS / 500);
    targets_close(targets);
}

/* Ten slots each on average, as chance has it: Poisson's distribution allows 30 to one peer in ten million.
 */
static void a_thousand_targets_share_a_usual_ring(void **state)
{
    static uint32_t before[KEYS], after[KEYS];
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 1000);
    uint32_t counts[1000] = {0};
    size_t elsewhere;

    (void)state;
    targets->spec.slots = 10000;
    targets->spec.count--;
    targets_build(targets);
    map_keys(targets, before);
    for (size_t key = 0; key < KEYS; key++)
        counts[before[key]]++;
    for (size_t i = 0; i < 999; i++)
        assert_in_range(counts[i], 0, 30 * KEYS / 10000);
    targets->spec.count++;
    targets_build(targets);
    map_keys(targets, after);
    assert_in_range(count_moved(before, after, 999, &elsewhere), 1, 30 * KEYS / 10000);
    assert_int_equal(elsewhere, 0);
    targets_close(targets);
}

static void only_the_keys_of_a_peer_that_is_down_move(void **state)
{
    static uint32_t before[KEYS], after[KEYS];
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 10);
    uint32_t heirs[10] = {0};

    (void)state;
    targets_build(targets);
    map_keys(targets, before);
    peer_set_health(targets_peer(targets, 3), false);
    map_keys(targets, after);
    for (size_t key = 0; key < KEYS; key++) {
        if (before[key] != 3)
            assert_int_equal(before[key], after[key]);
        else
            heirs[after[key]]++;
    }
    for (size_t i = 0; i < COUNT(heirs); i++)
        if (i != 3)
            assert_true(heirs[i] > 0); /* its load is shared, not inherited */
    peer_set_health(targets_peer(targets, 3), true);
    map_keys(targets, after);
    assert_memory_equal(before, after, sizeof(before));
    targets_close(targets);
}

/* The peer a retry goes to is the one that the key would have if the first were down. */
static void a_retry_goes_where_the_ring_goes(void **state)
{
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 10);

    (void)state;
    targets_build(targets);
    for (uint32_t key = 0; key < 200; key++) {
        const struct balancer_entry *first = NULL;
        const struct balancer_entry *second = NULL;
        assert_int_equal(targets_ask(targets, key_hash(key), NULL, 0, &first), BALANCER_CHOSEN);
        const struct peer *tried[] = {first->peer};
        assert_int_equal(targets_ask(targets, key_hash(key), tried, 1, &second), BALANCER_CHOSEN);
        peer_set_health(first->peer, false);
        assert_int_equal(targets_pick(targets, key_hash(key)), targets_number(second->peer));
        peer_set_health(first->peer, true);
    }
    targets_close(targets);
}

static void an_address_under_two_targets_has_the_weight_of_both(void **state)
{
    static uint32_t owners[KEYS];
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 10);
    uint32_t shared = 0;

    (void)state;
    targets->members[9].address = targets->members[8].address;
    targets_build(targets);
    map_keys(targets, owners);
    for (size_t key = 0; key < KEYS; key++)
        shared += owners[key] == 8;
    assert_in_range(shared, KEYS * 15 / 100, KEYS * 25 / 100);
    targets_close(targets);
}

static void every_slot_of_the_greatest_ring_has_an_owner(void **state)
{
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 1);

    (void)state;
    targets->spec.slots = 65536;
    targets_build(targets);
    for (uint32_t slot = 0; slot < 65536; slot++)
        assert_int_equal(targets_pick(targets, slot), 0);
    targets_close(targets);
}

static void the_lightest_peer_has_a_point(void **state)
{
    static const uint32_t weights[] = {65535, 1};
    struct targets *targets = targets_of(BALANCING_CONSISTENT_HASHING, weights, COUNT(weights));
    uint32_t light = 0;

    (void)state;
    for (uint32_t slot = 0; slot < 10000; slot++)
        light += targets_pick(targets, slot);
    assert_in_range(light, 1, 1000);
    targets_close(targets);
}

/* Fewer slots than peers: who has no slot serves when all others are down. */
static void peers_without_a_slot_are_better_than_nobody(void **state)
{
    struct targets *targets = targets_open(BALANCING_CONSISTENT_HASHING, 40);
    bool has_slot[40] = {false};
    uint32_t slotless = 0;

    (void)state;
    targets->spec.slots = 10;
    targets_build(targets);
    for (uint32_t hash = 0; hash < 10; hash++)
        has_slot[targets_pick(targets, hash)] = true;
    for (uint32_t i = 0; i < 40; i++) {
        slotless += !has_slot[i];
        peer_set_health(targets_peer(targets, i), !has_slot[i]);
    }
    assert_true(slotless > 0);
    assert_false(has_slot[targets_pick(targets, 3)]);
    targets_close(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_xxhash32_without_a_seed),
        cmocka_unit_test(nodes_agree_whatever_order_they_heard_of_targets_in),
        cmocka_unit_test(the_ring_is_this_one),
        cmocka_unit_test(shares_are_as_the_weights),
        cmocka_unit_test(a_target_more_or_less_moves_its_share_only),
        cmocka_unit_test(a_heavy_target_moves_little_else),
        cmocka_unit_test(a_crowded_ring_keeps_its_promises),
        cmocka_unit_test(a_thousand_targets_share_a_usual_ring),
        cmocka_unit_test(only_the_keys_of_a_peer_that_is_down_move),
        cmocka_unit_test(a_retry_goes_where_the_ring_goes),
        cmocka_unit_test(an_address_under_two_targets_has_the_weight_of_both),
        cmocka_unit_test(every_slot_of_the_greatest_ring_has_an_owner),
        cmocka_unit_test(the_lightest_peer_has_a_point),
        cmocka_unit_test(peers_without_a_slot_are_better_than_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
