#pragma once

/*
 * asking - what the functions of a store job pass along: where to ask, and where to leave a refusal.
 *
 * A function that returns false has either filled the answer (the client is to blame) or left the answer
 * without status and filled the error (the database is).
 *
 * Threads: the store job.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "admin/answer.h"
#include "admin/crud.h"
#include "gateway/base/attributes.h"
#include "gateway/store/store.h"

struct asking {
    struct store_session *session;
    const struct schemas *schemas;
    struct answer *answer;
    struct store_error *error;
};

/* {"id":"..."}; the caller owns it. */
cJSON *asking_reference(const char *id);

/* Sets or replaces a member; takes `value`. */
void asking_set(cJSON *document, const char *name, cJSON *value);

/* 404 of an entity that `key` does not lead to. */
void asking_answer_missing(struct asking *asking, const struct schema *schema, const struct crud_key *key);

/* What the key of a nested target means: among all entities, or (schema.nested_key) the parent's. */
bool asking_find_child(struct asking *asking, const struct crud_target *target, const cJSON *parent,
                       enum store_lock lock, cJSON **document);
/*
 * The entity a target means. true with *document NULL: it does not exist, or is not its parent's. *other: the
 * parent or child that the path goes through, NULL if that is missing; may be NULL where nobody wants it.
 */
bool asking_load(struct asking *asking, const struct crud_target *target, enum store_lock lock,
                 cJSON **document, cJSON **other) MUST_CHECK;
/* The parent or child that the path goes through. */
bool asking_load_other(struct asking *asking, const struct crud_target *target, enum store_lock lock,
                       cJSON **other) MUST_CHECK;
