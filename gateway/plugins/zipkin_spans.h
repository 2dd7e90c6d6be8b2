#pragma once

/*
 * zipkin_spans - a request as spans of Zipkin: the request, its proxying, and each try at an upstream
 * (zipkin.io, API v2).
 *
 * Threads: the request's loop.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"
#include "gateway/chain/chain.h"
#include "gateway/plugins/trace_context.h"

/* How a configuration wants things said. */
struct zipkin_wording {
    char *local_service, *default_service; /* default NULL: services without a name have none */
    cJSON *static_tags;                    /* [{name, value}], or NULL */
    bool name_has_path, shows_credential, durations_are_tags;
};

/* What a request's phases have written down; times of loop_clock_us(), 0: it has not come to that. */
struct zipkin_part {
    struct trace_lot lot;
    struct trace_context found;
    struct trace_id trace;
    uint64_t request, request_parent, proxy; /* spans; a parent of 0: none */
    bool is_sampled;
    int64_t access_us, filter_us; /* when these phases began */
    struct chain_times times;
    struct str tags; /* name=value; name=value: as the client wants it; at == NULL: none */
};

enum {
    ZIPKIN_TAGS_MAX = 32 /* of a client's that are read */
};

/* In static_tags and from clients these would be lies. NULL-terminated. */
extern const char *const zipkin_reserved_tags[];

/* In the log phase; adds objects with commas between. */
void zipkin_spans_write(const struct chain *chain, const struct zipkin_wording *wording,
                        struct zipkin_part *part, struct buf *buf);
