#pragma once

/*
 * gather - the body of an upstream's answer that plugins want to see as a whole: kept in memory up to a
 * bound. One that is longer passes as it came.
 *
 * Threads: the exchange's loop; bytes are in the exchange's memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct exchange;

enum {
    GATHER_MAX_BYTES = 1024 * 1024 /* as of requests' bodies (plugins/arguments.h) */
};

struct gather {
    bool active; /* nothing has been sent yet */
    char *at;
    size_t len, room;
};

/* `length` of the body, -1: unknown. false: it will not fit. */
bool gather_begin(struct gather *gather, int64_t length) MUST_CHECK;
/* false: it does not fit, and is not added. */
bool gather_add(struct gather *gather, struct exchange *exchange, struct str bytes) MUST_CHECK;
