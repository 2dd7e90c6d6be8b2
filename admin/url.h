#pragma once

/*
 * url - percent signs out and in. Threads: any; pure.
 */

#include "gateway/base/str.h"

struct buf;

enum url_rules {
    URL_PATH, /* '+' is a plus */
    URL_FORM, /* '+' is a blank: query strings, forms, and the Admin API's path segments */
};

/* Appends `text` decoded. A percent sign that begins no pair of hexadecimal digits stays as it is. */
void url_decode(struct buf *buf, struct str text, enum url_rules rules);
/* Appends `text`; everything but letters, digits and `-._~` and the bytes of `keep` becomes %XX. */
void url_escape(struct buf *buf, struct str text, const char *keep);
