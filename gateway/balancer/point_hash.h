#pragma once

/*
 * point_hash - where the points of a peer lie on the ring: XXH32, without a seed, of the address and the
 * point's number, four bytes, low ones first.
 *
 * A peer has hundreds of points, and most of the work for their hashes is the same: what comes of the address
 * is worked out once. Primes and steps are those of the algorithm's description ("XXH32 algorithm
 * description", xxHash 0.8); test_point_hash.c compares with the library. Inline, for a ring of a thousand
 * peers is made on an event loop, and takes five times as long with a call of the library for each point.
 *
 * Threads: any; pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/balancer/peer.h"

#define POINT_HASH_PRIME_1 UINT32_C(2654435761)
#define POINT_HASH_PRIME_2 UINT32_C(2246822519)
#define POINT_HASH_PRIME_3 UINT32_C(3266489917)
#define POINT_HASH_PRIME_4 UINT32_C(668265263)
#define POINT_HASH_PRIME_5 UINT32_C(374761393)

struct point_hash {
    uint32_t stripe; /* what has come of the first 16 bytes and the length */
    uint32_t port;   /* as the low half of a lane */
};

static inline uint32_t point_hash_turn(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

static inline struct point_hash point_hash_begin(const struct peer_address *address)
{
    static const int turns[] = {1, 7, 12, 18};
    uint32_t lanes[] = {POINT_HASH_PRIME_1 + POINT_HASH_PRIME_2, POINT_HASH_PRIME_2, 0,
                        0 - POINT_HASH_PRIME_1};
    struct point_hash hash = {.stripe = sizeof(*address) + sizeof(uint32_t),
                              .port = address->port[0] | (uint32_t)address->port[1] << 8};

    for (size_t i = 0; i < 4; i++) {
        const uint8_t *at = address->bytes + 4 * i;
        uint32_t word = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;

        lanes[i] = point_hash_turn(lanes[i] + word * POINT_HASH_PRIME_2, 13) * POINT_HASH_PRIME_1;
        hash.stripe += point_hash_turn(lanes[i], turns[i]);
    }
    return hash;
}

static inline uint32_t point_hash_of(const struct point_hash *begun, uint32_t number)
{
    uint32_t hash = begun->stripe;

    hash = point_hash_turn(hash + (begun->port | number << 16) * POINT_HASH_PRIME_3, 17) * POINT_HASH_PRIME_4;
    hash = point_hash_turn(hash + (number >> 16 & 255) * POINT_HASH_PRIME_5, 11) * POINT_HASH_PRIME_1;
    hash = point_hash_turn(hash + (number >> 24) * POINT_HASH_PRIME_5, 11) * POINT_HASH_PRIME_1;
    hash = (hash ^ hash >> 15) * POINT_HASH_PRIME_2;
    hash = (hash ^ hash >> 13) * POINT_HASH_PRIME_3;
    return hash ^ hash >> 16;
}
