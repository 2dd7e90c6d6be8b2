#pragma once

/*
 * status_unit - ?unit= and ?scale= of GET /status: how amounts of memory are written.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "admin/answer.h"
#include "admin/query_string.h"
#include "gateway/base/attributes.h"

struct status_unit {
    double bytes;
    const char *name; /* NULL: plain numbers */
    int scale;        /* digits behind the point */
};

/* false: `answer` says why. */
bool status_unit_read(const struct query_string *query, struct status_unit *unit,
                      struct answer *answer) MUST_CHECK;
/* A number or a text like "5.00 MiB". The caller owns it. */
cJSON *status_unit_bytes(const struct status_unit *unit, size_t amount);
