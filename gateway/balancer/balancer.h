#pragma once

/*
 * balancer - which peer is the next request for? Pure: no socket, no clock of its own, no thread.
 *
 * A balancer is the immutable set of peers of one upstream, with their weights and whatever its algorithm has
 * worked out in advance; it is replaced as a whole when targets, the upstream or an answer of DNS change. Its
 * entries are sorted, so that two nodes that know the same make the same choice where the algorithm promises
 * it. What changes with each request is in a cursor, one per loop; what is known about peers is in struct
 * peer and outlives both.
 *
 *     cursor = cursor_new(balancer, random)      when the loop first needs it
 *     balancer_pick(cursor, &query, &chosen)     per try
 *     peer_begin(chosen->peer) ... peer_answered(), peer_report() ... peer_end(peer)
 *
 * Threads: a balancer is counted and may be shared by any; a cursor belongs to its loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/balancer/peer.h"
#include "gateway/base/attributes.h"
#include "gateway/base/random.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"
#include "gateway/model/entities.h"

struct balancer;        /* opaque: inside.h */
struct balancer_cursor; /* opaque: inside.h */

enum {
    BALANCER_MAX_WEIGHT = 65535
};

/* One address of a target. */
struct balancer_member {
    struct peer_address address;
    uint32_t weight; /* up to BALANCER_MAX_WEIGHT; 0: is listed, never chosen */
    uint32_t target; /* the caller's: the target's place in an order that all nodes share */
};

/* Everything is copied. */
struct balancer_spec {
    struct peer_table *table; /* lives longer */
    struct uuid upstream;
    enum balancing balancing;
    uint32_t slots;   /* of the ring of consistent hashing; at least 1 */
    double threshold; /* percent of the weight that has to be more than available */
    const struct balancer_member *members;
    size_t count;
};

struct balancer_entry {
    struct peer *peer; /* the balancer has a reference */
    uint32_t weight;
    uint32_t target;
};

/*
 * Costs some 60 ns a member; with consistent hashing 160 hashes a member, up to 16 a slot: 3 ms for a
 * thousand members, so not on a loop. A reference for the caller. now_ms: the monotonic clock.
 */
struct balancer *balancer_new(const struct balancer_spec *spec, int64_t now_ms);
struct balancer *balancer_ref(struct balancer *balancer);
void balancer_unref(struct balancer *balancer);
/* Would balancer_new() make the same of it? The order of members does not matter: DNS turns its answers. */
bool balancer_is_made_of(const struct balancer *balancer, const struct balancer_spec *spec);

/* Sorted by address, then by target. Borrowed. */
const struct balancer_entry *balancer_entries(const struct balancer *balancer, size_t *count);

struct balancer_availability {
    uint64_t total, available; /* sums of weights */
    bool healthy;              /* enough of the weight is available for any to be used (reference 7.4) */
};
/* As of now; looks at every peer. */
void balancer_availability(const struct balancer *balancer, struct balancer_availability *availability);

/* Has a reference to the balancer. Begins at a random place of the turn. */
struct balancer_cursor *cursor_new(struct balancer *balancer, struct random_sequence *random);
void cursor_free(struct balancer_cursor *cursor);
/* Whose it is; borrowed. */
struct balancer *cursor_balancer(const struct balancer_cursor *cursor);

struct balancer_query {
    uint32_t hash;                   /* balancer_hash() of the key, of the empty text if there is none */
    const struct peer *const *tried; /* by this request before; only compared, so they need not live */
    size_t tried_count;              /* few: they are compared one by one */
    struct random_sequence *random;  /* the loop's */
    int64_t now_ms;                  /* the monotonic clock */
};
uint32_t balancer_hash(struct str key);

enum balancer_answer {
    BALANCER_CHOSEN,     /* *entry is borrowed from the cursor's balancer */
    BALANCER_NO_TARGETS, /* none with a weight */
    BALANCER_UNHEALTHY,  /* too little of the weight is available; nobody is to be asked */
    BALANCER_ALL_TRIED,  /* only peers that were tried are left; without `tried` there is one */
};
/*
 * Looks at every peer only if the health of one has flipped since the last call; allocates and locks nothing.
 * Begins no request: that is peer_begin().
 */
enum balancer_answer balancer_pick(struct balancer_cursor *cursor, const struct balancer_query *query,
                                   const struct balancer_entry **entry) MUST_CHECK;
