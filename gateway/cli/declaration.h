#pragma once

/*
 * declaration - what a declarative file says, as complete entities with ids.
 *
 *     declaration_read()        text -> a flat list of entities as given, children behind their parents
 *     declaration_add_stored()  what the database has; none of it for a mere look at the file
 *     declaration_resolve()     references, ids, defaults; all that is wrong is in `problems`
 *
 * An entity is known by its id, else by its unique fields, else by all it says. An id that the file does not
 * give is that of the stored entity with the same key, or is made of the key: the same file says the same
 * entities every time.
 *
 * Threads: the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"
#include "gateway/model/schema.h"

enum {
    NO_PARENT = -1,
    DECLARATION_PROBLEMS_MAX = 100 /* further ones are only counted */
};

struct declared {
    const struct schema *schema;
    cJSON *document; /* owned; complete once resolved */
    char *place;     /* owned; "services.1.routes.2" */
    int line;        /* 0: not known */
    int parent;      /* place in the list, or NO_PARENT */
    const struct field *parent_field;
    const cJSON *old; /* the stored row, borrowed from `stored`; NULL: a new one */
    bool is_changed;  /* or new */
};

struct declaration {
    const struct schemas *schemas;
    const struct schema *order[SCHEMA_MAX_COUNT]; /* parents before children */
    size_t order_count;
    struct declared *at;
    size_t count, capacity;
    bool has_patterns_unmarked; /* formats before 3.0: paths that are patterns do not begin with ~ */
    bool keeps_texts;           /* _transform: false: secrets are hashed already */
    cJSON *stored;              /* array, owned */
    void *names;                /* tree of struct known */
    struct buf problems;        /* a line each */
    size_t problem_count;
};

/* false: it is no text of the format at all. On true `problems` may have something. */
bool declaration_read(struct str text, const struct schemas *schemas, struct declaration **declaration,
                      struct err *err) MUST_CHECK;
void declaration_free(struct declaration *declaration);
/* Copies the document. */
void declaration_add_stored(struct declaration *declaration, const struct schema *schema,
                            const cJSON *document);
/* false: there are problems. */
bool declaration_resolve(struct declaration *declaration, int64_t now_us) MUST_CHECK;

void declaration_problem(struct declaration *declaration, const struct declared *where, const char *format,
                         ...) PRINTF_LIKE(3, 4);

/* Visible schemas, those that others refer to first. Returns how many. */
size_t declaration_order(const struct schemas *schemas, const struct schema *order[SCHEMA_MAX_COUNT]);
/* A stored document as a file shows it. The caller owns it. */
cJSON *declaration_show(const struct schema *schema, const cJSON *document);
