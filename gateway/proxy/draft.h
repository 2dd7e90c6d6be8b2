#pragma once

/*
 * draft - the next routing snapshot while it is made from the last one and changed rows.
 *
 * Rows are put in by entity, services before the routes that name them. A row that does not compile leaves
 * its old version in place and is remembered as failing until a later version compiles or the row goes.
 *
 * Threads: the bus thread.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/err.h"
#include "gateway/model/schema.h"
#include "gateway/proxy/snapshot.h"

struct draft;

struct draft_options {
    const struct schemas *schemas;
    const struct plugin *const *plugins; /* the registry in descending priority; only enabled ones */
    size_t plugin_count;
};

/* last NULL: from nothing. */
struct draft *draft_new(const struct draft_options *options, const struct snapshot *last);
void draft_free(struct draft *draft);

/* A row as it is now. false: it does not compile; what was there stays. */
bool draft_put(struct draft *draft, const struct schema *schema, const cJSON *document,
               struct err *err) MUST_CHECK;
/* There is no such row any more. */
void draft_remove(struct draft *draft, const struct schema *schema, const struct uuid *id);

/* The snapshot; the draft is freed. */
struct snapshot *draft_finish(struct draft *draft, uint64_t position, int64_t tag);
