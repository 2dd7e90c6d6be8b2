#pragma once

/*
 * arguments - named values in bodies of the types that forms and programs send; those of queries: encoded.h.
 *
 * Names compare with case, after decoding. A body that cannot be read has no arguments, nor has one that
 * would keep the loop from other requests: ARGUMENTS_MAX_BYTES, ARGUMENTS_MAX_VALUES.
 *
 * Threads: the exchange's loop; results are in its memory or part of the text.
 */

#include <stddef.h>

#include "gateway/base/str.h"
#include "gateway/http/encoded.h"

struct exchange;

enum {
    ARGUMENTS_MAX_BYTES = 1024 * 1024, /* of a body; the reference looks into 8 KiB of it */
    ARGUMENTS_MAX_VALUES = 20000,      /* of a JSON body */
};

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
