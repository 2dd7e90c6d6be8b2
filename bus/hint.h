#pragma once

/*
 * hint - the message that says "the log has grown to P" (consistency reference, 9.2).
 *
 * Nothing in it is believed: it can ring the bell and, if wanted, make cached keys suspect. The signature
 * only keeps strangers on a shared Redis from ringing.
 *
 *   offset  size  field, big-endian
 *        0     4  "FRH1"
 *        4     1  version 1
 *        5     1  flags
 *        6     2  total length
 *        8    16  history
 *       24     8  first position
 *       32     8  last position
 *       40     8  tag of the last position
 *       48     8  commit LSN; always 0 here
 *       56     8  sender's wall clock in microseconds, for a metric only
 *       64     4  sender, first bytes of its node id
 *       68     2  number of digests m
 *       70     2  MAC key id; always 0 here
 *       72   16m  key digests
 *   72+16m    16  HMAC-SHA-256 over everything before, truncated; only with flag HINT_SIGNED
 *
 * Pure: no I/O, no time. Threads: any.
 */

#include <stddef.h>
#include <stdint.h>

enum {
    HINT_VERSION = 1,
    HINT_HEAD_BYTES = 72,
    HINT_MAC_BYTES = 16,
    HINT_KEY_BYTES = 16,
    HINT_MAX_BYTES = 8192,
    HINT_MAX_KEYS = (HINT_MAX_BYTES - HINT_HEAD_BYTES - HINT_MAC_BYTES) / HINT_KEY_BYTES,
};

enum hint_flags {
    HINT_KEYS_COMPLETE = 1, /* every key of the commits first..last is named */
    HINT_SIGNED = 2,        /* set by hint_encode() */
    HINT_EVERYTHING = 4,
    HINT_AGAIN = 8,   /* told by another node than the writer */
    HINT_BEACON = 16, /* nothing new: shows that the channel is alive */
};

struct hint {
    unsigned flags;
    uint8_t history[16];
    uint64_t first;
    uint64_t last;
    int64_t tag;
    uint64_t sent_unix_us;
    uint8_t sender[4];
    size_t key_count;
    uint8_t keys[HINT_MAX_KEYS][HINT_KEY_BYTES];
};

enum hint_fault {
    HINT_GOOD,
    HINT_BAD_SIZE,      /* not ours, cut short, too long, or lengths that do not fit each other */
    HINT_OTHER_VERSION, /* a newer node speaks: ring, read nothing */
    HINT_OTHER_HISTORY, /* another cluster on the same channel */
    HINT_BAD_MAC,       /* signature missing or wrong */
};

/* secret NULL: unsigned. Keys beyond HINT_MAX_KEYS must have been left out by the caller. Returns the length.
 */
size_t hint_encode(const struct hint *hint, const char *secret, uint8_t bytes[HINT_MAX_BYTES]);

/* secret NULL: signatures are not looked at. *hint is written for HINT_GOOD only. */
enum hint_fault hint_decode(const uint8_t *bytes, size_t length, const uint8_t history[16],
                            const char *secret, struct hint *hint);
