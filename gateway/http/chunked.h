#pragma once

/*
 * chunked - takes the chunked coding off a body, in place (RFC 9112, section 7.1).
 *
 * Strict: CRLF only, hexadecimal digits only, sizes below 2^60. Extensions and trailers are checked for
 * length and control bytes and dropped.
 *
 * Threads: any; pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"

enum chunked_state {
    CHUNKED_SIZE,      /* before the first digit, or among the digits */
    CHUNKED_BLANK,     /* in blanks behind the digits */
    CHUNKED_EXTENSION, /* behind a semicolon */
    CHUNKED_SIZE_LF,   /* after the CR of a size line */
    CHUNKED_DATA,      /* `left` bytes to come */
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER,      /* at the start of a trailer line */
    CHUNKED_TRAILER_LINE, /* inside one */
    CHUNKED_TRAILER_LF,   /* after its CR */
    CHUNKED_END_LF,       /* after the CR of the empty line */
};

struct chunked { /* {0} is ready */
    enum chunked_state state;
    uint64_t left;
    size_t digits;
    size_t overhead; /* bytes of this size line, or of all trailers */
};

enum chunked_result {
    CHUNKED_MORE, /* everything was used, more is to come */
    CHUNKED_DONE, /* the body is complete; bytes from *used belong to something else */
    CHUNKED_BAD,
};

/* The data among `bytes` is moved to their beginning: *decoded bytes, from *used bytes read. */
enum chunked_result chunked_decode(struct chunked *chunked, char *bytes, size_t size, size_t *decoded,
                                   size_t *used) MUST_CHECK;
