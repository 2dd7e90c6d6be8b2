#pragma once

/*
 * json_body - a JSON object as a client sent it, or nothing.
 *
 * Stricter than the library: one value and only blanks behind it, UTF-8, no NUL in texts (they would be cut
 * there). Of members with the same name the last one counts.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"

enum {
    JSON_BODY_MAX_VALUES = 250000 /* each costs 80 bytes; "1," in a body costs two */
};

/* Has it more values than that, if it is JSON? To be asked first. */
bool json_body_is_too_large(struct str text);

/* The caller's. NULL: not an object ([] counts as one). */
cJSON *json_body_parse(struct str text);
