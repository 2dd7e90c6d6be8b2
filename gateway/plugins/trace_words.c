/*
 * trace_words - see trace_words.h.
 */

#include "gateway/plugins/trace_words.h"

#include "gateway/http/header.h"

enum {
    LONG_DIGITS = 2 * TRACE_ID_DIGITS
};

struct str trace_only(const struct headers *headers, struct str name)
{
    const struct header *line = headers_find(headers, name);

    return line != NULL && headers_find_next(headers, line, name) == NULL ? line->value : STR_NONE;
}

bool trace_is_there(const struct headers *headers, struct str name)
{
    return headers_find(headers, name) != NULL;
}

struct str trace_take(struct str *rest, char separator)
{
    if (rest->at == NULL)
        return STR_NONE;
    size_t end = str_find(*rest, separator, 0);
    struct str word = str_part(*rest, 0, end != SIZE_MAX ? end : rest->len);

    *rest = end != SIZE_MAX ? str_part(*rest, end + 1, rest->len) : STR_NONE;
    return word;
}

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    char letter = (char)(byte | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool trace_read_id(struct str text, struct trace_id *id)
{
    struct trace_id read = {.is_short = text.len <= TRACE_ID_DIGITS};

    if (text.len == 0 || text.len > LONG_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.at[i]);
        if (digit < 0)
            return false;
        read.high = read.high << 4 | read.low >> 60;
        read.low = read.low << 4 | (uint64_t)digit;
    }
    *id = read;
    return true;
}

bool trace_read_number(struct str text, size_t most, uint64_t *number)
{
    struct trace_id id;

    if (text.len > most || !trace_read_id(text, &id))
        return false;
    *number = id.low;
    return true;
}

bool trace_read_span(struct str text, uint64_t *span)
{
    uint64_t read;

    if (text.len != TRACE_ID_DIGITS || !trace_read_number(text, TRACE_ID_DIGITS, &read) || read == 0)
        return false;
    *span = read;
    return true;
}

bool trace_id_is_some(const struct trace_id *id)
{
    return id->high != 0 || id->low != 0;
}

bool trace_read_trace(struct str text, struct trace_id *id)
{
    struct trace_id read;

    if ((text.len != TRACE_ID_DIGITS && text.len != LONG_DIGITS) || !trace_read_id(text, &read) ||
        !trace_id_is_some(&read))
        return false;
    *id = read;
    return true;
}

enum trace_sampling trace_sampling_of(bool sampled)
{
    return sampled ? TRACE_SAMPLED : TRACE_NOT_SAMPLED;
}

enum trace_sampling trace_read_sampling(struct str word)
{
    if (str_equal(word, STR("1")) || str_equal(word, STR("true")))
        return TRACE_SAMPLED;
    return str_equal(word, STR("0")) || str_equal(word, STR("false")) ? TRACE_NOT_SAMPLED : TRACE_UNDECIDED;
}
