#pragma once

/*
 * audit - one JSON line for each change that is in force: when, on which node, who and from where, what.
 *
 *     {"time":"2026-11-25T21:00:00.123Z","node_id":"...","node_name":"a","peer":"10.0.0.7","subject":null,
 *      "principal":"deploy","request_id":"...","method":"PATCH","entity":"plugins","id":"...",
 *      "operation":"update","fields":["config.message"],"position":"9d1c03aa-17"}
 *
 * `operation` is what was done, whatever the method: create, update or delete. `fields` are the names of what
 * an update changed; values are never there, so no secret can be. What changed along with it (children that
 * are deleted with their parent, a certificate's names) is in `also` of the same line: who looks for an id
 * finds it, and who did it, in one place. A line lists so many; more of them follow in further lines of the
 * same head, numbered by `part`.
 *
 * Threads: audit_begin() and audit_note(): the loop; audit_change(): the job.
 */

#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/store/store.h"

struct request;
struct schema;

struct audit_change {
    const struct schema *schema; /* of the entity that was asked for */
    const cJSON *before;         /* as clients see it; NULL: there was none */
    const cJSON *after;          /* likewise; NULL: there is none any more */
    const struct store_change *all;
    size_t all_count;
    const char
        *linked; /* the field by which another entity, among `all`, was made to refer to it; NULL: none */
    const char *position; /* as in Freshet-Position; NULL: the outcome of the commit is not known */
};

/* Remembers who asks, while there is an exchange; does nothing while the audit log is off. */
void audit_begin(struct request *request);
/* Nothing without audit_begin(). */
void audit_change(struct request *request, const struct audit_change *change);
/* What is no change of an entity: `operation` with `thing`. `what`: more about it, never a secret; NULL: no
 * more. */
void audit_note(struct request *request, const char *operation, const char *thing, const char *what);

/* Names of the fields in which two states of an entity differ, those of records as "config.minute". */
cJSON *audit_fields(const struct schemas *schemas, const struct schema *schema, const cJSON *before,
                    const cJSON *after);
