#pragma once

/*
 * query_string - `name=value&name&...` taken apart and decoded; also the first half of reading a form.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    QUERY_STRING_MAX = 1000 /* arguments */
};

struct query_argument {
    struct str name;
    struct str value; /* at == NULL: written without '=' */
};

struct query_string {
    struct query_argument *at;
    size_t count;
    struct buf text; /* what the arguments point into */
};

/* `query` may be STR_NONE. false: more than QUERY_STRING_MAX arguments; *arguments is then empty. */
bool query_string_parse(struct str query, struct query_string *arguments) MUST_CHECK;
void query_string_fini(struct query_string *arguments);

/* The first of that name, or NULL. */
const struct query_argument *query_string_find(const struct query_string *arguments, const char *name);
size_t query_string_count(const struct query_string *arguments, const char *name);
