#pragma once

/*
 * declaration_names - by which names entities are known: those of the file and those of the database.
 *
 * Threads: the declaration's.
 */

#include <stdbool.h>

#include "gateway/cli/declaration.h"

/* What has a name; at least one of the two is there. */
struct known {
    char *name; /* owned */
    const cJSON *stored;
    const struct declared *declared;
};

/* Texts of names; false: the document has no such one. Adds to `name`. */
bool name_by_field(struct buf *name, const struct schema *schema, const char *field, const cJSON *document);
bool name_by_value(struct buf *name, const struct schema *schema, const char *field, const char *value);
bool name_together(struct buf *name, const struct schema *schema, const cJSON *document);

/* NULL: nobody has it. */
struct known *known_find(const struct declaration *declaration, const struct buf *name);
/* Made if need be. */
struct known *known_get(struct declaration *declaration, const struct buf *name);

void declaration_names_free(struct declaration *declaration);
