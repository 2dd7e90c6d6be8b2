#pragma once

/*
 * rules - one value against one field, recursively. Used by document.c.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/model/place.h"

/* One look at a body. */
struct examination {
    enum document_op op;
    struct place place;            /* where we are */
    struct violations *violations; /* what we found */
};

/*
 * A record or a whole document, described by the fields and checks of `record`: completed where the schema
 * says so (defaults at any depth, sets without duplicates, references reduced to their id) and checked. Too
 * many violations are not all told.
 */
void rules_check_record(const struct field *record, cJSON *value, struct examination *examination);
/* One value, not null, of a field; the place is the field's. */
void rules_check_value(const struct field *field, cJSON *value, struct examination *examination);
/* NULL: the value obeys the field's attributes (not its container rules). Otherwise the message, in
 * `message`. */
const char *rules_attributes(const struct field *field, const cJSON *value, char message[512]);
/* Missing members get their defaults, deeply. */
void rules_fill_defaults(const struct field *record, cJSON *value);
/* Parses JSON text of a schema row. */
cJSON *rules_parse(const char *json);
/* Letters and digits, for a field that has FIELD_AUTO and is neither an id nor a time. */
cJSON *rules_make_key(const struct field *field);
/* null, "", [] and {} are empty. */
bool rules_is_empty(const cJSON *value);
