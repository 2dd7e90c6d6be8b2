#pragma once

/*
 * draft - the next routing snapshot while it is made from the last one and changed rows.
 *
 * Rows are put in by entity, services before the routes that name them. A row that does not compile leaves
 * its old version in place and is counted as failing until a later version compiles or the row goes.
 *
 * Threads: the bus thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/uuid.h"

struct draft;
struct plugin;
struct schema;
struct snapshot;

struct draft_options {
    const struct plugin *const *plugins; /* the registry in descending priority; only enabled ones */
    size_t plugin_count;
};

enum draft_start {
    DRAFT_CHANGED, /* what is not put or removed stays as it was */
    DRAFT_WHOLE,   /* empty: all rows will be put. The last one gives old versions only */
};

/* Both are borrowed until the draft is finished. last NULL: there is none. */
struct draft *draft_new(const struct draft_options *options, const struct snapshot *last,
                        enum draft_start start);
void draft_free(struct draft *draft);

/* A row as it is now. false: it does not compile; its old version stays, if there is one. */
bool draft_put(struct draft *draft, const struct schema *schema, const cJSON *document,
               struct err *err) MUST_CHECK;
/* There is no such row any more. */
void draft_remove(struct draft *draft, const struct schema *schema, const struct uuid *id);

/* Of which document is what a snapshot has of a row, whether that compiles or not? false: it knows no such
 * row. */
bool draft_version(const struct snapshot *snapshot, const struct schema *schema, const struct uuid *id,
                   uint64_t *version);
size_t draft_version_count(const struct snapshot *snapshot, const struct schema *schema);

/* The snapshot; the draft is freed. */
struct snapshot *draft_finish(struct draft *draft, uint64_t position, int64_t tag);
