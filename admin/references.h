#pragma once

/*
 * references - foreign keys given by name, and rules that need to look at other entities.
 *
 * Threads: store jobs, inside a transaction.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"

struct asking;
struct schema;

/* Foreign keys of `document` given by another unique field become {"id":...}. false: see struct asking. */
bool references_resolve(struct asking *asking, const struct schema *schema, cJSON *document) MUST_CHECK;

/* Rules between a complete document and what it refers to. false: see struct asking. */
bool references_check(struct asking *asking, const struct schema *schema, const cJSON *document) MUST_CHECK;
