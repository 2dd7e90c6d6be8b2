#pragma once

/*
 * json_write - JSON as text, member by member, for whoever writes a lot of it: no trees, no printf.
 *
 * Whatever bytes a text has, what is written is a good JSON string of one line: bytes that are no UTF-8
 * become U+FFFD. Members and elements are written with a comma in front of each; the one of the first is then
 * replaced by the bracket:
 *
 *     size_t object = json_begin(buf);
 *     buf_add_str(buf, JSON_NAME("status"));
 *     json_add_number(buf, 200);
 *     json_end_object(buf, object);
 *
 * Threads: any; an object belongs to its caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

enum {
    JSON_BYTE_MAX = 6,    /* what one byte of a text can become: \u0000 */
    JSON_TEXT_EXTRA = 5,  /* quotes and dots */
    JSON_NUMBER_MAX = 20, /* digits and sign */
};

/* A constant name with what stands around it. */
#define JSON_NAME(name) ((struct str){",\"" name "\":", sizeof(name) + 3})

/* What is shown of a text: at most `limit` bytes, no character of UTF-8 in two. *cut: not all. */
struct str json_shown(struct str text, size_t limit, bool *cut);
/* A string, quotes included, "..." at its end if it was cut; returns where it ends. Room:
 * text.len * JSON_BYTE_MAX + JSON_TEXT_EXTRA. */
char *json_write_text(char *to, struct str text, bool cut);
/* Room: JSON_NUMBER_MAX. */
char *json_write_number(char *to, int64_t number);

void json_add_text(struct buf *buf, struct str text);
void json_add_number(struct buf *buf, int64_t number);
void json_add_boolean(struct buf *buf, bool value);

/* An object or array starts here. */
static inline size_t json_begin(const struct buf *buf)
{
    return buf->len;
}
void json_end_object(struct buf *buf, size_t began);
void json_end_array(struct buf *buf, size_t began);
