#pragma once

/*
 * multipart - the parts of a multipart/form-data body (RFC 7578, RFC 2046).
 *
 * Threads: any; pure. Results are parts of the body.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    MULTIPART_DELIMITER_MAX = 72
};

struct multipart_part {
    size_t from, to; /* from its delimiter up to the next one */
    struct str name; /* at == NULL: none */
    struct str value;
};

/* "--" and the boundary, in `storage`; len == 0: there is none. */
struct str multipart_delimiter(struct str content_type, char storage[MULTIPART_DELIMITER_MAX]);
/* Before the first part. */
struct multipart_part multipart_start(struct str body, struct str delimiter);
/* The part whose delimiter is at part->to, which moves to the next delimiter. false: that was the last. */
bool multipart_next(struct str body, struct str delimiter, struct multipart_part *part) MUST_CHECK;
