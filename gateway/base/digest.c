/*
 * digest - SipHash-2-4-128. Two compression rounds per word of input, four at the end.
 */

#include "gateway/base/digest.h"

static inline uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word)); /* little-endian, like every machine Debian builds this for but s390x */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void store(uint8_t *at, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(at, &word, sizeof(word));
}

static inline void round_once(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    round_once(v);
    round_once(v);
    v[0] ^= word;
}

static inline uint64_t squeeze(uint64_t v[4], uint64_t mark, int at)
{
    v[at] ^= mark;
    for (int i = 0; i < 4; i++)
        round_once(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void digest_make(const struct digest_salt *salt, struct str key, struct digest *digest)
{
    uint64_t k0 = load(salt->bytes);
    uint64_t k1 = load(salt->bytes + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU ^ 0xee, k0 ^ 0x6c7967656e657261U,
                     k1 ^ 0x7465646279746573U};
    const uint8_t *at = (const uint8_t *)key.at;
    uint64_t last = (uint64_t)key.len << 56;
    size_t words = key.len / 8;

    for (size_t i = 0; i < words; i++)
        absorb(v, load(at + 8 * i));
    for (size_t i = 0; i < key.len % 8; i++)
        last |= (uint64_t)at[8 * words + i] << (8 * i);
    absorb(v, last);
    store(digest->bytes, squeeze(v, 0xee, 2));
    store(digest->bytes + 8, squeeze(v, 0xdd, 1));
}
