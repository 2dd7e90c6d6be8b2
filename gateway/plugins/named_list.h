#pragma once

/*
 * named_list - what a query or a body consists of, as a list of names and values that can be changed.
 *
 * Names compare with case. A value is text as its form writes it: decoded for a query, JSON for a JSON body,
 * the content of a part for multipart. A list that is read may be written again; what was not changed is
 * written as it came where the form allows it.
 *
 * Threads: the exchange's loop; lists and texts are in its memory.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct exchange;

struct named_value {
    struct str name;
    struct str value; /* at == NULL: a name without '=' */
    struct str raw;   /* as it came: a part, a name in its quotes; at == NULL: it is new or changed */
};

struct named_list {
    struct exchange *owner; /* whose memory it is in */
    struct named_value *at;
    size_t count, room;
};

/* NULL: none. */
struct named_value *named_list_find(const struct named_list *list, struct str name);
void named_list_add(struct named_list *list, struct str name, struct str value);
void named_list_remove(struct named_list *list, struct str name);
/* All of that name are called otherwise, and nothing else is. Without any: nothing happens. */
void named_list_rename(struct named_list *list, struct str name, struct str other);
/* One of that name, in the place of the first. Without any: nothing happens. */
void named_list_replace(struct named_list *list, struct str name, struct str value);

/* a=1&b; false: too much of it. */
bool named_list_read_encoded(struct named_list *list, struct str text) MUST_CHECK;
struct str named_list_write_encoded(const struct named_list *list);
/* The members of a JSON object; false: it is none, or too much of it. */
bool named_list_read_json(struct named_list *list, struct str text) MUST_CHECK;
struct str named_list_write_json(const struct named_list *list);
/* The parts of a form; false: no boundary in the type, or too much of it. */
bool named_list_read_multipart(struct named_list *list, struct str content_type, struct str text) MUST_CHECK;
struct str named_list_write_multipart(const struct named_list *list, struct str content_type);
/* A text as JSON writes it. */
struct str named_list_json_text(struct exchange *exchange, struct str text);
/*
 * One more value for what is there, as JSON: a text becomes a list of two, a list gets longer, an object
 * stays; anything else becomes a list of the value.
 */
struct str named_list_json_append(struct exchange *exchange, struct str there, struct str value);
