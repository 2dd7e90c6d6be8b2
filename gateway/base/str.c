/*
 * str - see str.h.
 */

#include "gateway/base/str.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "gateway/base/mem.h"

enum {
    SMALLEST_CAPACITY = 64
};

bool str_same_letters(const char *a, const char *b, size_t len)
{
    return strncasecmp(a, b, len) == 0;
}

bool str_starts_with(struct str s, struct str start)
{
    return s.len >= start.len && (start.len == 0 || memcmp(s.at, start.at, start.len) == 0);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

bool str_to_int(struct str s, int64_t *value)
{
    bool negative = false;
    uint64_t limit = INT64_MAX;
    uint64_t sum = 0;
    size_t i = 0;

    if (s.len > 0 && (s.at[0] == '-' || s.at[0] == '+')) {
        negative = s.at[0] == '-';
        limit += negative;
        i = 1;
    }
    if (i == s.len)
        return false;
    for (; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.at[i] - '0';

        if (digit > 9 || sum > (limit - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* Length of the UTF-8 sequence at `at`, 0 when it is not one. RFC 3629, section 4. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    unsigned lowest = 0x80;
    unsigned highest = 0xBF;
    size_t length;

    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xC2 || at[0] > 0xF4)
        return 0;
    length = at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (left < length)
        return 0;
    if (at[0] == 0xE0)
        lowest = 0xA0;
    else if (at[0] == 0xED)
        highest = 0x9F;
    else if (at[0] == 0xF0)
        lowest = 0x90;
    else if (at[0] == 0xF4)
        highest = 0x8F;
    if (at[1] < lowest || at[1] > highest)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool str_is_utf8(struct str s)
{
    size_t i = 0;

    while (i < s.len) {
        size_t length = utf8_length((const unsigned char *)s.at + i, s.len - i);

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

void buf_init(struct buf *buf)
{
    *buf = (struct buf){NULL, 0, 0};
}

void buf_fini(struct buf *buf)
{
    free(buf->at);
    buf_init(buf);
}

char *buf_reserve(struct buf *buf, size_t more)
{
    size_t needed = buf->len + more + 1;

    if (needed > buf->capacity) {
        size_t capacity = buf->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : buf->capacity;

        while (capacity < needed)
            capacity *= 2;
        buf->at = mem_realloc(buf->at, capacity);
        buf->capacity = capacity;
    }
    return buf->at + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t count)
{
    char *end = buf_reserve(buf, count);

    if (count != 0)
        memcpy(end, bytes, count);
    buf->len += count;
    buf->at[buf->len] = '\0';
}

void buf_add_str(struct buf *buf, struct str s)
{
    buf_add(buf, s.at, s.len);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_byte(struct buf *buf, char byte)
{
    buf_add(buf, &byte, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list values;
    va_list again;
    int length;

    va_start(values, format);
    va_copy(again, values);
    length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length > 0) {
        char *end = buf_reserve(buf, (size_t)length);

        (void)vsnprintf(end, (size_t)length + 1, format, again);
        buf->len += (size_t)length;
    }
    va_end(again);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->at != NULL)
        buf->at[0] = '\0';
}

char *buf_take(struct buf *buf)
{
    char *taken;

    (void)buf_reserve(buf, 0);
    buf->at[buf->len] = '\0';
    taken = buf->at;
    buf_init(buf);
    return taken;
}
