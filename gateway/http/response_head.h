#pragma once

/*
 * response_head - finds and reads the head of an upstream's answer, strictly (RFC 9112; h2o.md section 8.2).
 *
 * Lines end in CRLF; no folding, no control bytes, names are tokens; one way to tell where the body ends, or
 * none. Only the reason phrase may be missing. Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/http/header.h"

enum {
    RESPONSE_HEAD_MAX_BYTES = 64 * 1024,
    RESPONSE_HEAD_MAX_LINES = 128,
};

/* How far a head that comes in pieces has been looked at. {0} at its start. */
struct response_head_scan {
    size_t line_start;
    size_t scanned;
};

enum response_head_found {
    RESPONSE_HEAD_PARTIAL,
    RESPONSE_HEAD_WHOLE, /* *length bytes, empty line included */
    RESPONSE_HEAD_BAD,
};

/* `bytes` are all that came so far, from the start of the head. */
enum response_head_found response_head_find(struct response_head_scan *scan, struct str bytes,
                                            size_t *length) MUST_CHECK;

struct response_head {
    int status;
    int version;       /* 0x100 or 0x101 */
    struct str reason; /* may be empty */
    size_t line_count;
    int64_t content_length; /* -1: none */
    bool chunked;
    bool keep_alive; /* the upstream means to keep the connection */
};

/* `text` is a whole head; lines borrow from it. False: it cannot be trusted. */
bool response_head_parse(struct str text, struct header lines[RESPONSE_HEAD_MAX_LINES],
                         struct response_head *head) MUST_CHECK;
