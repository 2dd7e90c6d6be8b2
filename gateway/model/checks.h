#pragma once

/*
 * checks - rules over several fields of a record or an entity (Admin API reference 1.10, second table).
 *
 * Threads: any; pure.
 */

#include "gateway/model/rules.h"

void checks_run(const struct check *checks, size_t count, const cJSON *object, enum document_op op,
                struct place *place, struct violations *violations);
