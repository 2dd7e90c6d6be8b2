#pragma once

/*
 * web_origin - the origins that browsers name, and lists of those that are accepted (plugin reference, 8).
 *
 * Threads: any; a list is immutable once it is made.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct exchange;

struct web_origin_list;

/* An entry is an origin, or a pattern: of the host if it has no ':', else of scheme://host[:port].
 * false: err. */
bool web_origin_list_new(char *const *entries, size_t count, struct web_origin_list **list,
                         struct err *err) MUST_CHECK;
void web_origin_list_free(struct web_origin_list *list);

/* Only letters, digits and ". : / -". */
bool web_origin_is_plain(struct str entry);
/*
 * The origin in lower case and without its scheme's default port, in the exchange's memory, if it is one of
 * the list; at == NULL: it is not, or no origin at all.
 */
struct str web_origin_find(const struct web_origin_list *list, struct exchange *exchange, struct str origin);
