#pragma once

/*
 * date - instants as messages write them (RFC 9110, section 5.6.7).
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

/* Seconds since 1970. In the usual form or one of the two old ones; nothing else around it. */
bool date_parse(struct str text, int64_t *seconds) MUST_CHECK;
