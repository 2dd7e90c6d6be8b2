#pragma once

/*
 * pairs - "name:value" as the transformers write what they change, and the settings both have (plugin
 * reference, 13 and 14).
 *
 * A check returns true, or false with the message a client sees. Threads: checks: any; a list belongs to the
 * configured object it is in.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"
#include "gateway/model/schema.h"

extern const struct field_note pair_notes[];

/* ---- rows of settings ---- */

extern const struct field pair_header_name;   /* an element: the name of a header; a value may follow */
extern const struct field pair_header_rename; /* old:new */

/* clang-format off */
#define PAIR_LIST(list, element, what) \
    {.name = (list), .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &(element), .description = (what)}
#define PAIR_RECORD(record, rows, what) \
    {.name = (record), .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = (rows), .field_count = COUNT(rows), .description = (what)}
/* clang-format on */

/* Something, a colon, anything. */
bool text_is_pair(const cJSON *value, char message[256]);
/* The name has a value; a pair is cut at its first colons. */
bool text_has_value(const cJSON *value, char message[256]);
/* A pair whose name is a header's; the same with a value that is not empty. */
bool text_is_header_pair(const cJSON *value, char message[256]);
bool text_is_header_with_value(const cJSON *value, char message[256]);

/* ---- values ---- */

struct pair {
    struct str name, value; /* each followed by a NUL or a colon */
    char *text;             /* what they are parts of */
};

struct pair_list {
    struct pair *at;
    size_t count;
};

/* Those in record[name]. */
struct pair_list pair_list_read(const cJSON *record, const char *name);
void pair_list_fini(struct pair_list *list);
/* The value of a pair as it is written. */
struct str pair_value(const char *text);
