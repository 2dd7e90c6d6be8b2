#pragma once

/*
 * targets - upstreams for tests: numbered peers with weights, a balancer and a cursor of theirs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "gateway/balancer/balancer.h"
#include "gateway/base/mem.h"

enum {
    TARGETS_MAX = 1000
};

/* The address of peer `number`: 10.x.y.z:8000. */
static inline struct peer_address targets_address(uint32_t number)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(8000)};
    struct peer_address address;

    four.sin_addr.s_addr = htonl(0x0a000000 + number);
    assert_true(peer_address_read((const struct sockaddr *)&four, &address));
    return address;
}

static inline uint32_t targets_number(const struct peer *peer)
{
    return (uint32_t)peer->address.bytes[13] << 16 | (uint32_t)peer->address.bytes[14] << 8 |
           peer->address.bytes[15];
}

struct targets {
    struct peer_table *table;
    struct balancer *balancer;
    struct balancer_cursor *cursor;
    struct random_sequence random;
    struct balancer_spec spec;
    struct balancer_member members[TARGETS_MAX];
};

/* Of `count` peers, numbered from 0; weights are set afterwards. targets_close() frees it. */
static inline struct targets *targets_open(enum balancing balancing, size_t count)
{
    struct targets *targets = mem_zalloc(sizeof(*targets));

    targets->table = peer_table_new();
    random_seed(&targets->random, /* seed= */ count);
    targets->spec = (struct balancer_spec){
        .table = targets->table,
        .balancing = balancing,
        .slots = 10000,
        .members = targets->members,
        .count = count,
    };
    for (uint32_t i = 0; i < count; i++)
        targets->members[i] =
            (struct balancer_member){.address = targets_address(i), .weight = 100, .target = i};
    return targets;
}

/* The balancer and a cursor as the spec is now, in place of those before. */
static inline void targets_build(struct targets *targets)
{
    struct balancer *before = targets->balancer;

    cursor_free(targets->cursor);
    targets->balancer = balancer_new(&targets->spec, /* now_ms= */ 1000);
    targets->cursor = cursor_new(targets->balancer, &targets->random);
    balancer_unref(before);
}

static inline struct targets *targets_of(enum balancing balancing, const uint32_t *weights, size_t count)
{
    struct targets *targets = targets_open(balancing, count);

    for (size_t i = 0; i < count; i++)
        targets->members[i].weight = weights[i];
    targets_build(targets);
    return targets;
}

static inline void targets_close(struct targets *targets)
{
    cursor_free(targets->cursor);
    balancer_unref(targets->balancer);
    peer_table_free(targets->table);
    free(targets);
}

static inline struct peer *targets_peer(const struct targets *targets, uint32_t number)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(targets->balancer, &count);

    for (size_t i = 0; i < count; i++)
        if (targets_number(entries[i].peer) == number)
            return entries[i].peer;
    fail_msg("no peer %u", number);
    return NULL;
}

static inline enum balancer_answer targets_ask(struct targets *targets, uint32_t hash,
                                               const struct peer *const *tried, size_t tried_count,
                                               const struct balancer_entry **entry)
{
    const struct balancer_query query = {
        .hash = hash,
        .tried = tried,
        .tried_count = tried_count,
        .random = &targets->random,
        .now_ms = 1000,
    };

    return balancer_pick(targets->cursor, &query, entry);
}

/* The number of the peer that is chosen. */
static inline uint32_t targets_pick(struct targets *targets, uint32_t hash)
{
    const struct balancer_entry *entry = NULL;

    assert_int_equal(targets_ask(targets, hash, NULL, 0, &entry), BALANCER_CHOSEN);
    return targets_number(entry->peer);
}
