#pragma once

/*
 * json_body - a JSON object as a client sent it, or nothing.
 *
 * Stricter than the library: one value and only blanks behind it, UTF-8, no NUL in texts (they would be cut
 * there). Of members with the same name the last one counts.
 *
 * Threads: any; pure.
 */

#include <cjson/cJSON.h>

#include "gateway/base/str.h"

/* The caller's. NULL: not an object ([] counts as one). */
cJSON *json_body_parse(struct str text);
