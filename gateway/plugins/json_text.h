#pragma once

/*
 * json_text - JSON as text: whether it is some, and where its parts end.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"

/* More than ARGUMENTS_MAX_VALUES (arguments.h). */
bool json_text_has_too_many(struct str json);
/* JSON, of not too many values, and nothing behind it. */
bool json_text_is_good(struct str json);
/* The rest is for good JSON. Behind the string whose opening quote is at `at`. */
size_t json_text_skip_string(struct str json, size_t at);
/* Of the comma, bracket or brace that ends the member or element at `at`. */
size_t json_text_member_end(struct str json, size_t at);
