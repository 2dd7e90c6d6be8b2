#pragma once

/*
 * encoded - named values in a query or an urlencoded body: a=1&b=2. Names compare with case, after decoding.
 *
 * Threads: the exchange's loop; results are in its memory or part of the text.
 */

#include <stddef.h>

#include "gateway/base/str.h"

struct exchange;

struct argument {
    size_t count;     /* how often the name is there */
    struct str value; /* of the first, decoded; at == NULL: no text (no name, no '=', a number ...) */
};

/* Of a query or an urlencoded body: a=1&b=2. */
struct argument encoded_find(struct exchange *exchange, struct str text, struct str name);
/* Without all of that name; at == NULL: nothing is left. */
struct str encoded_remove(struct exchange *exchange, struct str text, struct str name);
/* Percent-decoded, '+' as blank. */
struct str encoded_decode(struct exchange *exchange, struct str text);
/* Those of that name in order, decoded; at == NULL: one without '='. At most `room`; returns how many. */
size_t encoded_values(struct exchange *exchange, struct str text, struct str name, struct str *values,
                      size_t room);
