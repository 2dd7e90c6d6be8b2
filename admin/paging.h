#pragma once

/*
 * paging - which page of a collection is meant, and how its answer points to the next (reference 1.17
 * to 1.19).
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "admin/answer.h"
#include "admin/query_string.h"
#include "gateway/base/attributes.h"

enum {
    PAGING_MAX_TAGS = 5
};

/* Texts are borrowed from the query. */
struct paging {
    int size;
    bool has_size;
    struct str offset;   /* at == NULL: from the start */
    int64_t skip;        /* of lists that are newest first: rows before the page */
    struct str tag_text; /* as written; at == NULL: no filter */
    struct str tags[PAGING_MAX_TAGS];
    size_t tag_count;
    bool any_tag;
    const char *match_field; /* NULL: no filter by a field */
    struct str match_value;
};

/* The field that lists of these entities can be searched by; NULL: none. */
const char *paging_filter(const struct schema *schema);

/* schema NULL: a list that is no collection of entities. false: `answer` says why. */
bool paging_read(const struct query_string *query, const struct schema *schema, struct paging *paging,
                 struct answer *answer) MUST_CHECK;

/* Of a list that is newest first: offsets are positions, any size will do. */
bool paging_read_position(const struct query_string *query, const struct schema *schema,
                          struct paging *paging, struct answer *answer) MUST_CHECK;

/* Appends `name=value` to a URL, escaped, behind '?' or '&'. */
void paging_add_argument(struct buf *url, const char *name, struct str value);
