#pragma once

/*
 * base64 - bytes of base64 text (RFC 4648), in either alphabet, with or without padding; and such text.
 *
 * Threads: reading: the exchange's loop, results are in its memory; writing: any.
 */

#include "gateway/base/str.h"

struct exchange;

/* at == NULL: it is none. A NUL follows the bytes. */
struct str base64_decode(struct exchange *exchange, struct str text);
/* In the alphabet of section 4, with padding; the caller's. At most 1 GiB. */
char *base64_encode(struct str bytes);
