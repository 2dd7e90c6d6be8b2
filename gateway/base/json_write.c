/*
 * json_write - see json_write.h. Nearly all bytes of nearly all texts stand for themselves: eight are looked
 * at together.
 */

#include "gateway/base/json_write.h"

static bool is_plain(unsigned char byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

static uint64_t each(unsigned char byte)
{
    return UINT64_C(0x0101010101010101) * byte;
}

/* Has the word a byte that is 0? (Mycroft: borrowing reaches the top bit of such a byte alone, or of those
 * above it.) */
static bool has_zero(uint64_t word)
{
    return ((word - each(1)) & ~word & each(0x80)) != 0;
}

static bool are_plain(const char *eight)
{
    uint64_t word;

    memcpy(&word, eight, sizeof(word));
    bool is_ascii_print = ((word | (word - each(' ')) | (word + each(1))) & each(0x80)) == 0;
    return is_ascii_print && !has_zero(word ^ each('"')) && !has_zero(word ^ each('\\'));
}

/* How many bytes from `from` on stand for themselves. */
static size_t plain_length(struct str text, size_t from)
{
    size_t at = from;

    while (at + sizeof(uint64_t) <= text.len && are_plain(text.at + at))
        at += sizeof(uint64_t);
    while (at < text.len && is_plain((unsigned char)text.at[at]))
        at++;
    return at - from;
}

static char *write_bytes(char *to, struct str bytes)
{
    memcpy(to, bytes.at, bytes.len);
    return to + bytes.len;
}

static char *write_control(char *to, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    to = write_bytes(to, STR("\\u00"));
    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
    return to;
}

/* One that does not stand for itself; of a control character of two bytes *at is moved to the second. */
static char *write_byte(char *to, struct str text, size_t *at, bool is_utf8)
{
    unsigned char byte = (unsigned char)text.at[*at];
    bool is_control =
        byte == 0xc2 && is_utf8 && (unsigned char)text.at[*at + 1] < 0xa0; /* U+0080 to U+009F */

    if (byte < ' ' || byte == 0x7f)
        return write_control(to, byte);
    if (is_control) {
        (*at)++;
        return write_control(to, (unsigned char)text.at[*at]);
    }
    if (byte >= 0x80 && !is_utf8)
        return write_bytes(to, STR("\\ufffd"));
    if (byte == '"' || byte == '\\')
        *to++ = '\\';
    *to++ = (char)byte;
    return to;
}

struct str json_shown(struct str text, size_t limit, bool *cut)
{
    size_t length = limit;

    *cut = length < text.len;
    if (!*cut)
        return text;
    while (length > 0 && ((unsigned char)text.at[length] & 0xc0) == 0x80) /* inside a character of UTF-8 */
        length--;
    return str_part(text, 0, length);
}

char *json_write_text(char *to, struct str text, bool cut)
{
    size_t at = plain_length(text, 0);
    bool is_utf8 = at == text.len || str_is_utf8(text);

    *to++ = '"';
    to = at > 0 ? write_bytes(to, str_part(text, 0, at)) : to;
    while (at < text.len) {
        to = write_byte(to, text, &at, is_utf8);
        at++;
        size_t plain = plain_length(text, at);
        to = plain > 0 ? write_bytes(to, str_part(text, at, at + plain)) : to;
        at += plain;
    }
    if (cut)
        to = write_bytes(to, STR("..."));
    *to++ = '"';
    return to;
}

/* Two digits at a time: dividing is what takes the time. */
char *json_write_number(char *to, int64_t number)
{
    char digits[JSON_NUMBER_MAX];
    char *at = digits + sizeof(digits);
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    if (number < 0)
        *to++ = '-';
    for (; left >= 100; left /= 100) {
        unsigned two = (unsigned)(left % 100);
        *--at = (char)('0' + two % 10);
        *--at = (char)('0' + two / 10);
    }
    *--at = (char)('0' + left % 10);
    if (left >= 10)
        *--at = (char)('0' + left / 10);
    return write_bytes(to, (struct str){at, (size_t)(digits + sizeof(digits) - at)});
}

/* The end of what was written into room that buf_reserve() gave. */
static void take_room(struct buf *buf, const char *end)
{
    buf->len = (size_t)(end - buf->at);
    buf->at[buf->len] = '\0';
}

void json_add_text(struct buf *buf, struct str text)
{
    take_room(buf,
              json_write_text(buf_reserve(buf, text.len * JSON_BYTE_MAX + JSON_TEXT_EXTRA), text, false));
}

void json_add_number(struct buf *buf, int64_t number)
{
    take_room(buf, json_write_number(buf_reserve(buf, JSON_NUMBER_MAX), number));
}

void json_add_boolean(struct buf *buf, bool value)
{
    buf_add_str(buf, value ? STR("true") : STR("false"));
}

static void end(struct buf *buf, size_t began, char opening, char closing)
{
    if (buf->len == began)
        buf_add_byte(buf, opening);
    buf->at[began] = opening; /* instead of the first comma */
    buf_add_byte(buf, closing);
}

void json_end_object(struct buf *buf, size_t began)
{
    end(buf, began, '{', '}');
}

void json_end_array(struct buf *buf, size_t began)
{
    end(buf, began, '[', ']');
}
