#pragma once

/*
 * secret - references to secrets, which stand in entities where the secrets themselves would:
 * `{vault://env/db-password}` is the variable DB_PASSWORD of this node's environment,
 * `{vault://env/db/password}` the member `password` of the JSON object in the variable DB. They are resolved
 * when an entity is made ready for use, never in what is stored or shown.
 *
 * Threads: any; the environment does not change while a node runs.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct field;

/* NULL is none. */
bool secret_is_reference(const char *text);
/* *value: the caller's. */
bool secret_resolve(const char *reference, char **value, struct err *err) MUST_CHECK;

/*
 * A copy of a record in which references are resolved where its fields allow them; *copy NULL: there are
 * none. The caller owns it. `record` NULL: nothing is known of its fields, so none can be a reference.
 */
bool secrets_resolve(const struct field *record, const cJSON *object, cJSON **copy,
                     struct err *err) MUST_CHECK;
