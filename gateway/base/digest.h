#pragma once

/*
 * digest - the 16 bytes under which a cache key travels and is indexed.
 *
 * Cache keys can contain credentials, so only SipHash-2-4 with 128 bits of output, keyed with the database's
 * own salt, leaves the process (consistency reference, 3.2). A stranger without the salt can neither guess
 * nor collide. Own code because OpenSSL's MAC interface allocates and costs about a microsecond a call; two
 * digests are made per authenticated request. Algorithm: Aumasson and Bernstein, "SipHash", 2012; checked
 * with its test vectors.
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/str.h"

struct digest {
    uint8_t bytes[16];
};

struct digest_salt {
    uint8_t bytes[16];
};

void digest_make(const struct digest_salt *salt, struct str key, struct digest *digest);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* 64 of the bits, as well mixed as any hash. */
static inline uint64_t digest_hash(const struct digest *digest)
{
    uint64_t hash;

    memcpy(&hash, digest->bytes, sizeof(hash));
    return hash;
}
