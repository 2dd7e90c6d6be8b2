/*
 * url - see url.h.
 */

#include "admin/url.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

/* The byte that "%xx" at `at` stands for, -1: it is not one. */
static int escaped(struct str text, size_t at)
{
    if (text.at[at] != '%' || at + 2 >= text.len)
        return -1;
    int high = hex_digit(text.at[at + 1]);
    int low = hex_digit(text.at[at + 2]);
    return high >= 0 && low >= 0 ? high << 4 | low : -1;
}

void url_decode(struct buf *buf, struct str text, enum url_rules rules)
{
    for (size_t i = 0; i < text.len; i++) {
        int byte = escaped(text, i);
        char c = text.at[i];
        if (byte >= 0) {
            c = (char)byte;
            i += 2;
        } else if (c == '+' && rules == URL_FORM) {
            c = ' ';
        }
        buf_add_byte(buf, c);
    }
}

void url_escape(struct buf *buf, struct str text, const char *keep)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (is_plain(c) || (c != '\0' && strchr(keep, c) != NULL))
            buf_add_byte(buf, c);
        else
            buf_printf(buf, "%%%02X", (unsigned)(unsigned char)c);
    }
}
