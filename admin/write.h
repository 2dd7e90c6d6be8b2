#pragma once

/*
 * write - one change of one entity in the making: what a body becomes on its way to a row.
 *
 *   what the client sent -> types (forms) -> foreign keys by name -> complete and valid -> rules -> row and
 *   event
 *
 * All of it inside a transaction, which may be run again from the start: write_restart() forgets what a run
 * has left behind. Functions that return false have refused as asking.h says.
 *
 * Threads: the store job.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "admin/asking.h"
#include "admin/names.h"
#include "gateway/base/digest.h"
#include "gateway/model/document.h"

struct request;

struct write {
    struct asking asking;
    const struct request *request;
    const struct crud_target *target;
    const cJSON *change; /* of PATCH, while it is being merged; NULL otherwise */
    struct names names;  /* out of the body: rows of their own */
    cJSON *before;       /* the entity as it was, with its names; NULL: there was none, or nobody will ask */
    cJSON *result;       /* the entity as it is stored now; NULL: none */
    struct digest version; /* of `result` */
    bool was_insert;       /* of PUT: there was nothing to replace */
};

/* At the beginning of each run. */
struct write *write_restart(void *arg, struct store_error *error);
/* `result` as well, unless it was taken. */
void write_fini(struct write *write);
int64_t write_wall_us(void);

/*
 * Does the client's If-Match or If-None-Match allow to change `old`, which is locked? NULL: there is no such
 * entity. Remembers what it was, if somebody will want to know.
 */
bool write_may(struct write *write, const cJSON *old) MUST_CHECK;

/* A copy of the body with typed values. `stored`: what it is going to change, or NULL. */
cJSON *write_copy_body(const struct write *write, const cJSON *stored);
/* Out of a body, for later; `old`: what it is going to change, or NULL. */
bool write_take_names(struct write *write, cJSON *body, const cJSON *old) MUST_CHECK;
/* The ttl a body has, out of it. *ttl is the caller's; NULL: the body has none. */
bool write_take_ttl(struct write *write, cJSON *document, cJSON **ttl) MUST_CHECK;
/* What validation adds, and the rules between entities. `schema`: of `document`. */
bool write_complete(struct write *write, const struct schema *schema, enum document_op op,
                    cJSON *document) MUST_CHECK;
/* `document` has everything but the rest of `ttl` and what validation adds. Takes both; on success the
 * document is the result. `old` NULL: insert. */
bool write_save(struct write *write, enum document_op op, const cJSON *old, cJSON *document,
                cJSON *ttl) MUST_CHECK;
/* The same for a body whose ttl and foreign keys are still as they were sent. */
bool write_resolve_and_save(struct write *write, enum document_op op, const cJSON *old,
                            cJSON *document) MUST_CHECK;
/* Once the entity is saved: its names, and its version. */
bool write_finish(struct write *write, bool replaces_names) MUST_CHECK;
