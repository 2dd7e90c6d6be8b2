/*
 * chunked - see chunked.h. A state machine over bytes, except for data, which is moved in one piece.
 */

#include "gateway/http/chunked.h"

#include <stdbool.h>
#include <string.h>

enum {
    MAX_DIGITS = 15,
    MAX_SIZE_LINE = 4096,
    MAX_TRAILERS = 8192,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

static bool end_size(struct chunked *chunked, char c)
{
    if (chunked->digits == 0)
        return false;
    /* Blanks before an extension are "bad whitespace" that recipients must accept (RFC 9112, section 7.1.1).
     */
    if (c == '\r')
        chunked->state = CHUNKED_SIZE_LF;
    else if (c == ';')
        chunked->state = CHUNKED_EXTENSION;
    else if (c == ' ' || c == '\t')
        chunked->state = CHUNKED_BLANK;
    else
        return false;
    return true;
}

static bool step_size(struct chunked *chunked, char c)
{
    int digit = hex_value(c);

    if (++chunked->overhead > MAX_SIZE_LINE)
        return false;
    if (digit < 0)
        return end_size(chunked, c);
    if (++chunked->digits > MAX_DIGITS)
        return false;
    chunked->left = chunked->left * 16 + (uint64_t)digit;
    return true;
}

static bool step_blank(struct chunked *chunked, char c)
{
    return ++chunked->overhead <= MAX_SIZE_LINE && end_size(chunked, c);
}

static bool step_extension(struct chunked *chunked, char c)
{
    if (++chunked->overhead > MAX_SIZE_LINE)
        return false;
    if (c == '\r')
        chunked->state = CHUNKED_SIZE_LF;
    else if (is_control(c))
        return false;
    return true;
}

static bool step_trailer(struct chunked *chunked, char c)
{
    bool at_start = chunked->state == CHUNKED_TRAILER;

    if (++chunked->overhead > MAX_TRAILERS)
        return false;
    if (c == '\r') {
        chunked->state = at_start ? CHUNKED_END_LF : CHUNKED_TRAILER_LF;
        return true;
    }
    if (is_control(c) || (at_start && (c == ' ' || c == '\t')))
        return false;
    chunked->state = CHUNKED_TRAILER_LINE;
    return true;
}

static bool expect(struct chunked *chunked, char c, char expected, enum chunked_state next)
{
    if (c != expected)
        return false;
    chunked->state = next;
    return true;
}

/* Anything but data. *done: that was the last byte of the body. */
static bool step(struct chunked *chunked, char c, bool *done)
{
    switch (chunked->state) {
    case CHUNKED_SIZE:
        return step_size(chunked, c);
    case CHUNKED_BLANK:
        return step_blank(chunked, c);
    case CHUNKED_EXTENSION:
        return step_extension(chunked, c);
    case CHUNKED_SIZE_LF:
        chunked->overhead = 0;
        return expect(chunked, c, '\n', chunked->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILER);
    case CHUNKED_DATA_CR:
        return expect(chunked, c, '\r', CHUNKED_DATA_LF);
    case CHUNKED_DATA_LF:
        chunked->digits = 0;
        return expect(chunked, c, '\n', CHUNKED_SIZE);
    case CHUNKED_TRAILER:
    case CHUNKED_TRAILER_LINE:
        return step_trailer(chunked, c);
    case CHUNKED_TRAILER_LF:
        return expect(chunked, c, '\n', CHUNKED_TRAILER);
    case CHUNKED_END_LF:
        *done = true;
        return c == '\n';
    case CHUNKED_DATA:
        break;
    }
    return false;
}

enum chunked_result chunked_decode(struct chunked *chunked, char *bytes, size_t size, size_t *decoded,
                                   size_t *used)
{
    size_t to = 0;
    size_t at = 0;
    bool done = false;

    while (at < size && !done) {
        if (chunked->state != CHUNKED_DATA) {
            if (!step(chunked, bytes[at++], &done))
                return CHUNKED_BAD;
            continue;
        }
        size_t count = chunked->left < size - at ? (size_t)chunked->left : size - at;
        if (to != at)
            memmove(bytes + to, bytes + at, count);
        to += count;
        at += count;
        chunked->left -= count;
        if (chunked->left == 0)
            chunked->state = CHUNKED_DATA_CR;
    }
    *decoded = to;
    *used = at;
    return done ? CHUNKED_DONE : CHUNKED_MORE;
}
