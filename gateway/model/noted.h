#pragma once

/*
 * noted - entities that are only described: clients ask for their schemas, and there are none of them, or
 * they cannot be written.
 *
 * Threads: any; constants.
 */

#include "gateway/model/schema.h"

/* NULL: no such entity, or one there is (schemas_find). */
const struct schema *noted_find(struct str name);
