#pragma once

/*
 * path - the segments of a URL's path. Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    PATH_MAX_SEGMENTS = 6
};

struct path {
    struct str raw[PATH_MAX_SEGMENTS];      /* as sent */
    struct str segments[PATH_MAX_SEGMENTS]; /* decoded by form rules: '+' is a blank */
    size_t count;                           /* 0: the root */
    struct buf text;                        /* what the members point into */
};

/* false: no endpoint can have this path. One '/' at the end is tolerated, an empty segment is not. */
bool path_parse(struct str text, struct path *path) MUST_CHECK;
void path_fini(struct path *path);

/* Does it have the form of "/schemas/{name}/validate"? */
bool path_matches(const struct path *path, const char *form);
