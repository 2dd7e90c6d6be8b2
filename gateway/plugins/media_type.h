#pragma once

/*
 * media_type - does the type of a body (RFC 9110, 8.3.1) fit the one that a setting names?
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/base/str.h"

/*
 * Type and subtype are the same, or '*' in `wanted`; the parameters are the same on both sides, in any order.
 * Nothing compares with case.
 */
bool media_type_fits(struct str type, struct str wanted);
