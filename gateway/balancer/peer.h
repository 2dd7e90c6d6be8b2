#pragma once

/*
 * peer - one address of one upstream, as this node knows it; and the table of all of them.
 *
 * What is learned about a peer (health, how fast it answers, requests under way) must outlive edits of the
 * upstream and of its targets, and answers of DNS. So peers belong to the node, not to a balancer. One that
 * nobody refers to is forgotten PEER_MEMORY_MS later (data-plane reference, 8.5).
 *
 * Threads: any. Only peer_get() and peer_table_sweep() take the table's mutex; a request takes none.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/balancer/health.h"
#include "gateway/balancer/mean.h"
#include "gateway/base/uuid.h"

struct peer_table; /* opaque: peer.c */

enum {
    PEER_MEMORY_MS = 300000
};

/* Bytes only, so that memcmp() compares and orders. */
struct peer_address {
    uint8_t bytes[16]; /* network order; IPv4 is mapped into IPv6 */
    uint8_t port[2];   /* network order */
};
/* False: neither IPv4 nor IPv6. */
bool peer_address_read(const struct sockaddr *from, struct peer_address *address) MUST_CHECK;
/* Returns the length of what it has written. */
socklen_t peer_address_write(const struct peer_address *address, struct sockaddr_storage *to);

struct peer {
    struct health health;         /* written by peer_report(), peer_set_health() */
    struct mean response;         /* time until the head of an answer */
    _Atomic uint32_t connections; /* requests under way */
    _Atomic uint32_t refs;
    _Atomic uint64_t *generation; /* the table's */
    struct uuid upstream;         /* this and the next: immutable */
    struct peer_address address;
    struct peer *next;     /* this and the rest: under the table's mutex */
    int64_t idle_since_ms; /* when the sweep first found it without a reference; PEER_IN_USE: not yet */
};

struct peer_table *peer_table_new(void);
/* Nobody has a reference or a request under way any more. */
void peer_table_free(struct peer_table *table);

/* What was known about it, or a new one. A reference for the caller. Takes the mutex. */
struct peer *peer_get(struct peer_table *table, const struct uuid *upstream,
                      const struct peer_address *address);
/* Of one the caller has a reference to. */
struct peer *peer_ref(struct peer *peer);
void peer_unref(struct peer *peer);

/* A request is under way: the peer stays until peer_end(), whoever lets go of his reference. */
void peer_begin(struct peer *peer);
/* The last touch of a request: reports come before. */
void peer_end(struct peer *peer);

/* Both: true if it has become healthy or unhealthy by it. */
bool peer_report(struct peer *peer, const struct health_limits *limits, enum health_outcome outcome);
/* By hand; counters start over. */
bool peer_set_health(struct peer *peer, bool healthy);
/* An answer has come after so long. */
void peer_answered(struct peer *peer, int64_t took_us, int64_t now_ms);

/* Moves whenever the health of any peer flips; the health read after it is at least as new. */
uint64_t peer_table_generation(const struct peer_table *table);
/* Forgets whom nobody has referred to for PEER_MEMORY_MS. Now and then; holds the mutex for all of them. */
void peer_table_sweep(struct peer_table *table, int64_t now_ms);
size_t peer_table_count(struct peer_table *table);
