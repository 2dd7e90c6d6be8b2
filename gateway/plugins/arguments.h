#pragma once

/*
 * arguments - named values in a query and in bodies of the types that forms and programs send.
 *
 * Names compare with case, after decoding. A body that cannot be read has no arguments, nor has one that
 * would keep the loop from other requests: ARGUMENTS_MAX_BYTES, ARGUMENTS_MAX_VALUES.
 *
 * Threads: the exchange's loop; results are in its memory or part of the text.
 */

#include <stddef.h>

#include "gateway/base/str.h"

struct exchange;

enum {
    ARGUMENTS_MAX_BYTES = 1024 * 1024, /* of a body; the reference looks into 8 KiB of it */
    ARGUMENTS_MAX_VALUES = 20000,      /* of a JSON body */
};

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

enum body_type {
    BODY_OTHER,
    BODY_ENCODED,
    BODY_JSON,
    BODY_MULTIPART
};
/* Of a Content-Type header; at == NULL: OTHER. */
enum body_type body_type_of(struct str content_type);

/* By the type in `content_type`. In JSON an array or object counts as several. */
struct argument body_find(struct exchange *exchange, struct str content_type, struct str body,
                          struct str name);
/* `body` itself if the name is not there. */
struct str body_remove(struct exchange *exchange, struct str content_type, struct str body, struct str name);
