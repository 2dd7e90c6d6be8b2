/*
 * peer: found again by address, kept while anybody needs it, forgotten 300 s later.
 */

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "targets.h"

static const struct uuid upstream = {{1}};
static const struct uuid other_upstream = {{2}};

static struct peer *get(struct peer_table *table, uint32_t number)
{
    struct peer_address address = targets_address(number);

    return peer_get(table, &upstream, &address);
}

static void addresses_come_back_as_they_were(void **state)
{
    struct sockaddr_storage back;
    struct peer_address address;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(8000)};
    struct sockaddr other = {.sa_family = AF_UNIX};

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &four.sin_addr), 1);
    assert_true(peer_address_read((struct sockaddr *)&four, &address));
    assert_int_equal(peer_address_write(&address, &back), sizeof(four));
    assert_memory_equal(&back, &four, sizeof(four));
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &six.sin6_addr), 1);
    assert_true(peer_address_read((struct sockaddr *)&six, &address));
    assert_int_equal(peer_address_write(&address, &back), sizeof(six));
    assert_memory_equal(&back, &six, sizeof(six));
    assert_false(peer_address_read(&other, &address));
}

static void a_peer_is_the_same_for_the_same_upstream_address_and_port(void **state)
{
    struct peer_table *table = peer_table_new();
    struct peer_address address = targets_address(1);
    struct peer_address other_port = address;

    (void)state;
    other_port.port[1]++;
    struct peer *peers[] = {get(table, 1), get(table, 1), get(table, 2),
                            peer_get(table, &upstream, &other_port),
                            peer_get(table, &other_upstream, &address)};
    assert_ptr_equal(peers[0], peers[1]);
    for (size_t i = 1; i < COUNT(peers); i++)
        for (size_t j = 0; j < i; j++)
            assert_true(peers[i] != peers[j] || (i == 1 && j == 0));
    assert_int_equal(peer_table_count(table), 4);
    for (size_t i = 0; i < COUNT(peers); i++)
        peer_unref(peers[i]);
    peer_table_free(table);
}

static void thousands_are_found_again(void **state)
{
    enum {
        MANY = 5000
    };
    static struct peer *peers[MANY];
    struct peer_table *table = peer_table_new();

    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        peers[i] = get(table, i);
    assert_int_equal(peer_table_count(table), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        struct peer *again = get(table, i);
        assert_ptr_equal(again, peers[i]);
        peer_unref(again);
        peer_unref(peers[i]);
    }
    peer_table_free(table);
}

static void what_is_known_outlives_the_last_reference_by_300_seconds(void **state)
{
    struct peer_table *table = peer_table_new();
    struct peer *peer = get(table, 1);

    (void)state;
    peer_set_health(peer, false);
    peer_unref(peer);
    peer_table_sweep(table, 1000);
    peer_table_sweep(table, 1000 + PEER_MEMORY_MS - 1);
    peer = get(table, 1);
    assert_false(health_is_good(&peer->health));
    peer_unref(peer);
    /* The time begins anew. */
    peer_table_sweep(table, 2000 + PEER_MEMORY_MS);
    peer_table_sweep(table, 1999 + 2 * PEER_MEMORY_MS);
    assert_int_equal(peer_table_count(table), 1);
    peer_table_sweep(table, 2000 + 2 * PEER_MEMORY_MS);
    assert_int_equal(peer_table_count(table), 0);
    peer = get(table, 1);
    assert_true(health_is_good(&peer->health));
    peer_unref(peer);
    peer_table_free(table);
}

static void a_request_under_way_keeps_a_peer(void **state)
{
    struct peer_table *table = peer_table_new();
    struct peer *peer = get(table, 1);

    (void)state;
    peer_begin(peer);
    peer_unref(peer);
    peer_table_sweep(table, 0);
    peer_table_sweep(table, 10 * PEER_MEMORY_MS);
    assert_int_equal(peer_table_count(table), 1);
    peer_end(peer);
    peer_table_sweep(table, 11 * PEER_MEMORY_MS);
    peer_table_sweep(table, 12 * PEER_MEMORY_MS);
    assert_int_equal(peer_table_count(table), 0);
    peer_table_free(table);
}

static void the_generation_moves_with_every_flip_and_only_then(void **state)
{
    const struct health_limits limits = {.successes = 2, .tcp_failures = 2};
    struct peer_table *table = peer_table_new();
    struct peer *peer = get(table, 1);
    uint64_t before = peer_table_generation(table);

    (void)state;
    peer_report(peer, &limits, HEALTH_SUCCESS);
    peer_report(peer, &limits, HEALTH_TCP_FAILURE);
    peer_set_health(peer, true);
    peer_answered(peer, 1000, 1);
    assert_int_equal(peer_table_generation(table), before);
    peer_report(peer, &limits, HEALTH_TCP_FAILURE);
    peer_report(peer, &limits, HEALTH_TCP_FAILURE);
    assert_int_equal(peer_table_generation(table), before + 1);
    peer_set_health(peer, true);
    assert_int_equal(peer_table_generation(table), before + 2);
    peer_unref(peer);
    peer_table_free(table);
}

enum {
    USERS = 4,
    SHARED = 40,
    ROUNDS = 8000
};

struct crowd {
    struct peer_table *table;
    atomic_size_t working;
    atomic_long now_ms;
};

static void *use_peers(void *arg)
{
    const struct health_limits limits = {.successes = 1, .tcp_failures = 1};
    struct crowd *crowd = arg;
    struct random_sequence random;

    random_seed(&random, (uint64_t)(uintptr_t)&random);
    for (int i = 0; i < ROUNDS; i++) {
        struct peer *peer = get(crowd->table, (uint32_t)(random_next(&random) % SHARED));
        peer_begin(peer);
        peer_unref(peer_ref(peer));
        peer_unref(peer); /* the balancer has gone, the request has not */
        peer_report(peer, &limits, random_next(&random) % 2 == 0 ? HEALTH_SUCCESS : HEALTH_TCP_FAILURE);
        peer_answered(peer, 1000, atomic_load(&crowd->now_ms));
        assert(atomic_load(&peer->connections) > 0);
        peer_end(peer);
    }
    atomic_fetch_sub(&crowd->working, 1);
    return NULL;
}

/* For the sanitizers: peers come, are used and are forgotten, all at once. */
static void many_threads_share_a_table(void **state)
{
    struct crowd crowd = {.table = peer_table_new()};
    pthread_t threads[USERS];

    (void)state;
    atomic_store(&crowd.working, USERS);
    for (size_t i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_peers, &crowd), 0);
    while (atomic_load(&crowd.working) > 0)
        peer_table_sweep(crowd.table, atomic_fetch_add(&crowd.now_ms, PEER_MEMORY_MS));
    for (size_t i = 0; i < USERS; i++)
        pthread_join(threads[i], NULL);
    peer_table_sweep(crowd.table, atomic_load(&crowd.now_ms));
    peer_table_sweep(crowd.table, atomic_load(&crowd.now_ms) + PEER_MEMORY_MS);
    assert_int_equal(peer_table_count(crowd.table), 0);
    peer_table_free(crowd.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_come_back_as_they_were),
        cmocka_unit_test(a_peer_is_the_same_for_the_same_upstream_address_and_port),
        cmocka_unit_test(thousands_are_found_again),
        cmocka_unit_test(what_is_known_outlives_the_last_reference_by_300_seconds),
        cmocka_unit_test(a_request_under_way_keeps_a_peer),
        cmocka_unit_test(the_generation_moves_with_every_flip_and_only_then),
        cmocka_unit_test(many_threads_share_a_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
