#pragma once

/*
 * rules - one value against one field, recursively. Used by document.c.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/model/place.h"

/*
 * The value of `field` in `holder` (a record or document): completed where the schema says so (defaults of
 * nested records, sets without duplicates, references reduced to their id) and checked. Adds violations under
 * `place`.
 */
void rules_check_member(const struct field *field, cJSON *holder, enum document_op op, struct place *place,
                        struct violations *violations);
/* All fields, unknown members (the first of them), and the record's own checks. */
void rules_check_record(const struct field *fields, size_t field_count, const struct check *checks,
                        size_t check_count, cJSON *record, enum document_op op, struct place *place,
                        struct violations *violations);
/* NULL: the value obeys the field's attributes (not its container rules). Otherwise the message, in
 * `message`. */
const char *rules_attributes(const struct field *field, const cJSON *value, char message[512]);
/* Missing members get their defaults, deeply. */
void rules_fill_defaults(const struct field *fields, size_t field_count, cJSON *record);
/* Parses JSON text of a schema row. */
cJSON *rules_parse(const char *json);
/* null, "", [] and {} are empty. */
bool rules_is_empty(const cJSON *value);
