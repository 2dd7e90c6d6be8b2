#pragma once

/*
 * token - which bytes may stand where in a message head (RFC 9110, section 5.6.2; RFC 3986, section 3.2.2).
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

/* Not empty, and nothing but tchar. */
bool token_is_valid(struct str s);
/* What a header value may contain: no control byte but HTAB. */
bool token_is_value(struct str s);
/* host [":" port]; the host is not empty. */
bool token_is_authority(struct str s);
/* Is `word`, in any case, an element of the comma-separated list? */
bool token_list_has(struct str list, struct str word);
/* Without the quotes around it, if there are any. */
struct str token_unquoted(struct str s);
/* Only digits, at most 18 of them. */
bool token_to_length(struct str s, int64_t *length);
