/*
 * Encoding and decoding of hints. Lengths are checked against each other before any field is read, and the
 * signature before any field is used.
 */

#include "bus/hint.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const uint8_t magic[4] = {'F', 'R', 'H', '1'};

enum {
    AT_VERSION = 4,
    AT_FLAGS = 5,
    AT_LENGTH = 6,
    AT_HISTORY = 8,
    AT_FIRST = 24,
    AT_LAST = 32,
    AT_TAG = 40,
    AT_SENT = 56,
    AT_SENDER = 64,
    AT_KEY_COUNT = 68,
};

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static size_t get16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

static void make_mac(const char *secret, const uint8_t *bytes, size_t length, uint8_t mac[HINT_MAC_BYTES])
{
    uint8_t whole[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    const uint8_t *made = HMAC(EVP_sha256(), secret, (int)strlen(secret), bytes, length, whole, &size);

    assert(made != NULL && size >= HINT_MAC_BYTES);
    memcpy(mac, whole, HINT_MAC_BYTES);
}

/* Total, counted and declared length agree. */
static bool has_right_size(const uint8_t *bytes, size_t length)
{
    size_t keys = get16(bytes + AT_KEY_COUNT);
    size_t expected = HINT_HEAD_BYTES + keys * HINT_KEY_BYTES;

    if ((bytes[AT_FLAGS] & HINT_SIGNED) != 0)
        expected += HINT_MAC_BYTES;
    return keys <= HINT_MAX_KEYS && length == expected && get16(bytes + AT_LENGTH) == length;
}

static bool has_right_mac(const uint8_t *bytes, size_t length, const char *secret)
{
    uint8_t mac[HINT_MAC_BYTES];

    if ((bytes[AT_FLAGS] & HINT_SIGNED) == 0)
        return false;
    make_mac(secret, bytes, length - HINT_MAC_BYTES, mac);
    return CRYPTO_memcmp(mac, bytes + length - HINT_MAC_BYTES, HINT_MAC_BYTES) == 0;
}

size_t hint_encode(const struct hint *hint, const char *secret, uint8_t bytes[HINT_MAX_BYTES])
{
    size_t length = HINT_HEAD_BYTES + hint->key_count * HINT_KEY_BYTES;
    unsigned flags = hint->flags & ~(unsigned)HINT_SIGNED;

    assert(hint->key_count <= HINT_MAX_KEYS);
    if (secret != NULL) {
        flags |= HINT_SIGNED;
        length += HINT_MAC_BYTES;
    }
    memset(bytes, 0, HINT_HEAD_BYTES);
    memcpy(bytes, magic, sizeof(magic));
    bytes[AT_VERSION] = HINT_VERSION;
    bytes[AT_FLAGS] = (uint8_t)flags;
    put16(bytes + AT_LENGTH, length);
    memcpy(bytes + AT_HISTORY, hint->history, sizeof(hint->history));
    put64(bytes + AT_FIRST, hint->first);
    put64(bytes + AT_LAST, hint->last);
    put64(bytes + AT_TAG, (uint64_t)hint->tag);
    put64(bytes + AT_SENT, hint->sent_unix_us);
    memcpy(bytes + AT_SENDER, hint->sender, sizeof(hint->sender));
    put16(bytes + AT_KEY_COUNT, hint->key_count);
    memcpy(bytes + HINT_HEAD_BYTES, hint->keys, hint->key_count * HINT_KEY_BYTES);
    if (secret != NULL)
        make_mac(secret, bytes, length - HINT_MAC_BYTES, bytes + length - HINT_MAC_BYTES);
    return length;
}

enum hint_fault hint_decode(const uint8_t *bytes, size_t length, const uint8_t history[16],
                            const char *secret, struct hint *hint)
{
    if (length < HINT_HEAD_BYTES || length > HINT_MAX_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0)
        return HINT_BAD_SIZE;
    if (bytes[AT_VERSION] != HINT_VERSION)
        return HINT_OTHER_VERSION;
    if (!has_right_size(bytes, length))
        return HINT_BAD_SIZE;
    if (memcmp(bytes + AT_HISTORY, history, 16) != 0)
        return HINT_OTHER_HISTORY;
    if (secret != NULL && !has_right_mac(bytes, length, secret))
        return HINT_BAD_MAC;
    if (get64(bytes + AT_FIRST) > get64(bytes + AT_LAST))
        return HINT_BAD_SIZE;
    hint->flags = bytes[AT_FLAGS];
    memcpy(hint->history, bytes + AT_HISTORY, sizeof(hint->history));
    hint->first = get64(bytes + AT_FIRST);
    hint->last = get64(bytes + AT_LAST);
    hint->tag = (int64_t)get64(bytes + AT_TAG);
    hint->sent_unix_us = get64(bytes + AT_SENT);
    memcpy(hint->sender, bytes + AT_SENDER, sizeof(hint->sender));
    hint->key_count = get16(bytes + AT_KEY_COUNT);
    memcpy(hint->keys, bytes + HINT_HEAD_BYTES, hint->key_count * HINT_KEY_BYTES);
    return HINT_GOOD;
}
