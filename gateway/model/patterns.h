#pragma once

/*
 * patterns - what a check of a text asks for, as a regular expression, for those who describe schemas to
 * clients. The check decides; the expression may be weaker, never stricter.
 *
 * Threads: any; pure.
 */

#include "gateway/model/schema.h"

/* ECMA-262 with its flag u, as JSON Schema wants it. NULL: no expression says it. */
const char *pattern_of_check(field_check_fn check);
