#pragma once

/*
 * checks - rules over several fields of a record or an entity (Admin API reference 1.10, second table).
 *
 * Threads: any; pure.
 */

#include "gateway/model/rules.h"

/* The checks of `record` over `object`. */
void checks_run(const struct field *record, const cJSON *object, struct examination *examination);
