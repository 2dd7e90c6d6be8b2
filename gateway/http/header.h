#pragma once

/*
 * header - a list of HTTP header lines. Names keep the spelling they came with; compare without case.
 *
 * Names and values are borrowed: from the exchange's memory (exchange_alloc) or from constants.
 * Threads: the exchange's loop.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"

struct exchange;

struct header {
    struct str name;
    struct str value;
};

struct headers {
    struct header *at;
    size_t count;
    size_t capacity;
    struct exchange *owner; /* whose memory grows the list */
};

/* The first of that name, or NULL. */
struct header *headers_find(const struct headers *headers, struct str name);
/* The next of that name behind `after`, or NULL. */
struct header *headers_find_next(const struct headers *headers, const struct header *after, struct str name);
/* Adds a line, whatever is there. */
void headers_add(struct headers *headers, struct str name, struct str value);
/* Exactly one line of that name afterwards. */
void headers_set(struct headers *headers, struct str name, struct str value);
/* Removes every line of that name; returns how many. */
size_t headers_remove(struct headers *headers, struct str name);
