#pragma once

/*
 * path - normal form of request paths, and the path a request has upstream (data-plane reference, 1.3 and 2).
 *
 * Pure. Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"

/*
 * Writes the normal form of `raw` (target up to '?') to `to`, which has room for raw.len + 1 bytes:
 * percent-decoding of everything not reserved, dot segments removed, runs of '/' collapsed. Returns its
 * length.
 */
size_t path_normalize(struct str raw, char *to);

/* true: path_normalize() would change nothing, so that no copy is needed. */
bool path_is_normal(struct str raw);

struct path_upstream {
    struct str service_path; /* at == NULL: "/" */
    struct str path;         /* normalised request path */
    size_t matched_length;   /* of it; meaningful with has_route_path */
    bool has_route_path;
    bool strip;
};

/* Room that path_upstream_write() may need. */
size_t path_upstream_room(const struct path_upstream *parts);
/* The escaped upstream path, without query. Returns its length. */
size_t path_upstream_write(const struct path_upstream *parts, char *to);
