#pragma once

/*
 * base64 - bytes of base64 text (RFC 4648), in either alphabet, with or without padding.
 *
 * Threads: the exchange's loop; results are in its memory.
 */

#include "gateway/base/str.h"

struct exchange;

/* at == NULL: it is none. A NUL follows the bytes. */
struct str base64_decode(struct exchange *exchange, struct str text);
