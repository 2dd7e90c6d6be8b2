#pragma once

/*
 * cookie - values in the Cookie lines of a request (RFC 6265, section 5.4).
 *
 * Threads: the exchange's loop; results are part of the line.
 */

#include "gateway/base/str.h"
#include "gateway/http/header.h"

/* The first of that name with a value; names compare with case. at == NULL: there is none. */
struct str cookie_find(const struct headers *headers, struct str name);
