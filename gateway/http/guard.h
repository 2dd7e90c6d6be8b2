#pragma once

/*
 * guard - reads the raw head of an HTTP/1 request again, and refuses whatever two parsers could understand
 * differently.
 *
 * libh2o hides the framing headers from handlers and is lenient (h2o.md section 4), so the only place where
 * ambiguity shows is the head as it was sent. What passes has exactly one meaning.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    GUARD_HEADERS_MAX = 100 /* as libh2o has it for HTTP/1 */
};

struct guard_limits {
    size_t head_bytes; /* the whole head */
    size_t line_bytes; /* the request line, and each header line */
    bool raw_targets;  /* bytes above 0x7f may stand in the target */
};

/* Parts of the head, borrowed. */
struct guard_request {
    struct str method;
    struct str target; /* origin form; at == NULL never */
    struct str host;   /* at == NULL: none was sent (HTTP/1.0) */
    int version;       /* 0x100 or 0x101 */
    bool close;        /* a Connection line says so; libh2o looks at the last one only */
    bool has_length;   /* Content-Length was sent */
    bool chunked;
    bool expects_continue;
};

struct guard_refusal {
    int status; /* 0: none */
    const char *text;
};

/* The same for HTTP/2, whose head comes in parts: names in lower case, no header of a connection. */
struct headers;
struct guard_refusal guard_check_parts(const struct guard_request *parts, const struct headers *headers,
                                       const struct guard_limits *limits) MUST_CHECK;

/* `bytes` begin with the head; what follows it is ignored. *request is written when nothing is refused. */
struct guard_refusal guard_check(struct str bytes, const struct guard_limits *limits,
                                 struct guard_request *request) MUST_CHECK;
