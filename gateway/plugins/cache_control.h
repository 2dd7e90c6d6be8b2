#pragma once

/*
 * cache_control - what Cache-Control lines say (RFC 9111, 5.2), of a request or of an answer.
 *
 * A number that cannot be read counts as what keeps an answer from being used: clients that send nonsense get
 * a fresh one. Of a directive that is there twice the stricter counts.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/str.h"
#include "gateway/http/header.h"

enum {
    CACHE_CONTROL_LONGEST_S = 1 << 30 /* more seconds than that are as many (RFC 9111, 1.2.2) */
};

struct cache_control {
    bool no_store, no_cache, is_private, only_if_cached;
    int64_t max_age_s, shared_max_age_s; /* -1: not said */
    int64_t max_stale_s, min_fresh_s;    /* likewise */
};

/* Of every Cache-Control line. */
struct cache_control cache_control_read(const struct headers *headers);
/* Adds what one line says. */
void cache_control_add(struct cache_control *control, struct str line);
