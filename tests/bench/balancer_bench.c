/*
 * balancer_bench - what a pick costs, by algorithm and number of peers; what making a balancer costs.
 *
 * Weights are odd and all different, peers lie apart in memory. A busy upstream has one to three requests
 * under way at every peer, so that the cheap way of least connections does not work. Run it from a Release
 * build; the threads are there to write to the same peers.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/balancer/balancer.h"
#include "gateway/base/mem.h"

enum {
    PICKS = 500000,
    SLOTS = 10000
};

/* Of this thread: others may be running. */
static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

struct loops {
    struct balancer *balancer;
    atomic_bool stopping;
};

/* One loop's life: a pick, a request that is over at once. */
static double pick_ns(struct balancer *balancer, uint64_t seed, const atomic_bool *stopping)
{
    struct random_sequence random;
    random_seed(&random, seed);
    struct balancer_cursor *cursor = cursor_new(balancer, &random);
    const struct balancer_entry *entry = NULL;
    uint64_t chosen = 0;
    uint64_t picks = 0;
    double begin = now_ns();
    for (; stopping != NULL ? !atomic_load(stopping) : picks < PICKS; picks++) {
        const struct balancer_query query = {
            .hash = (uint32_t)picks * 2654435761U, .random = &random, .now_ms = (int64_t)picks / 100};
        chosen += balancer_pick(cursor, &query, &entry) == BALANCER_CHOSEN;
        peer_begin(entry->peer);
        peer_answered(entry->peer, 1000, query.now_ms);
        peer_end(entry->peer);
    }
    double spent = now_ns() - begin;
    if (chosen != picks)
        (void)fprintf(stderr, "%" PRIu64 " picks found no peer\n", picks - chosen);
    cursor_free(cursor);
    return spent / (double)picks;
}

static void *other_loop(void *arg)
{
    struct loops *loops = arg;
    (void)pick_ns(loops->balancer, 2, &loops->stopping);
    return NULL;
}

static double pick_beside_another_ns(struct balancer *balancer)
{
    struct loops loops = {.balancer = balancer};
    pthread_t thread;
    if (pthread_create(&thread, NULL, other_loop, &loops) != 0)
        return 0;
    double spent = pick_ns(balancer, 1, NULL);
    atomic_store(&loops.stopping, true);
    (void)pthread_join(thread, NULL);
    return spent;
}

static void occupy(struct balancer *balancer, bool busy)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(balancer, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t requests = 0; requests <= i % 3; requests++) {
            if (busy)
                peer_begin(entries[i].peer);
            else
                peer_end(entries[i].peer);
        }
}

/* The sweep of a generation that has moved, at worst before every pick. */
static double flip_ns(struct balancer *balancer)
{
    enum {
        FLIPS = 2000
    };
    struct random_sequence random;
    random_seed(&random, 3);
    struct balancer_cursor *cursor = cursor_new(balancer, &random);
    size_t count;
    struct peer *peer = balancer_entries(balancer, &count)[count / 2].peer;
    const struct balancer_query query = {.random = &random};
    const struct balancer_entry *entry;
    double begin = now_ns();
    for (int i = 0; i < FLIPS; i++) {
        peer_set_health(peer, i % 2 == 1);
        (void)!balancer_pick(cursor, &query, &entry);
    }
    double spent = (now_ns() - begin) / FLIPS;
    cursor_free(cursor);
    return spent;
}

static void measure(const char *name, enum balancing balancing, uint32_t count, bool busy)
{
    struct peer_table *table = peer_table_new();
    struct balancer_member *members = mem_zalloc(count * sizeof(*members));
    for (uint32_t i = 0; i < count; i++) {
        members[i].address =
            (struct peer_address){{[12] = 10, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}, {31, 64}};
        members[i].weight = 101 + 2 * (i * 7919 % 4001);
        members[i].target = i;
    }
    const struct balancer_spec spec = {
        .table = table, .balancing = balancing, .slots = SLOTS, .members = members, .count = count};
    struct balancer *first = balancer_new(&spec, 0);
    double begin = now_ns();
    struct balancer *balancer = balancer_new(&spec, 0);
    double made_us = (now_ns() - begin) / 1e3;
    if (busy)
        occupy(balancer, true);
    double alone = pick_ns(balancer, 1, NULL);
    double beside = pick_beside_another_ns(balancer);
    printf("%-24s %6u %10.0f %14.0f %12.0f %10.0f\n", name, count, alone, beside, flip_ns(balancer), made_us);
    if (busy)
        occupy(balancer, false);
    balancer_unref(first);
    balancer_unref(balancer);
    peer_table_free(table);
    free(members);
}

int main(void)
{
    static const struct {
        const char *name;
        enum balancing balancing;
        bool busy;
    } kinds[] = {
        {"round-robin", BALANCING_ROUND_ROBIN, false},
        {"consistent-hashing", BALANCING_CONSISTENT_HASHING, false},
        {"least-connections, idle", BALANCING_LEAST_CONNECTIONS, false},
        {"least-connections, busy", BALANCING_LEAST_CONNECTIONS, true},
        {"latency", BALANCING_LATENCY, false},
    };
    static const uint32_t counts[] = {10, 100, 1000};
    printf("%-24s %6s %10s %14s %12s %10s\n", "algorithm", "peers", "ns/pick", "with 2 threads",
           "ns after flip", "us to make");
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t j = 0; j < COUNT(counts); j++)
            measure(kinds[i].name, kinds[i].balancing, counts[j], kinds[i].busy);
    return 0;
}
