#pragma once

/*
 * redis_reply - what a Redis answers (RESP2, redis.io "Redis serialization protocol"), as far as anybody here
 * asks: a word, an error, or a list of numbers.
 *
 * Own code: a reader that builds trees allocates whatever size the server names; this one allocates nothing.
 *
 * Threads: any; pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    REDIS_NUMBERS_MAX = 1024,
    REDIS_REPLY_MAX = 64 * 1024 /* bytes; a longer one is none */
};

/* Larger numbers, and smaller ones than its negative, are taken for it: sums with it do not overflow. */
#define REDIS_NUMBER_MOST (INT64_C(1) << 62)

enum redis_reply_kind {
    REDIS_WORD,    /* text */
    REDIS_ERROR,   /* text */
    REDIS_NUMBERS, /* numbers: integers, texts of integers, and 0 for what is not there */
    REDIS_OTHER    /* well-formed, and of no use */
};

struct redis_reply {
    enum redis_reply_kind kind;
    struct str text; /* part of the bytes */
    size_t count;
    int64_t numbers[REDIS_NUMBERS_MAX];
};

/* How many bytes the first reply has; 0: it is not complete yet; SIZE_MAX: it is none. */
size_t redis_reply_read(struct str bytes, struct redis_reply *reply) MUST_CHECK;
