/*
 * encoded - see encoded.h. Texts are searched where they are; only what was found is copied.
 */

#include "gateway/http/encoded.h"

#include <stdbool.h>
#include <string.h>

#include "gateway/http/exchange.h"

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* The byte at *position of an encoded text, which moves behind it. A lone '%' stands for itself. */
static char next_byte(struct str text, size_t *position)
{
    size_t at = (*position)++;

    if (text.at[at] == '+')
        return ' ';
    if (text.at[at] != '%' || text.len - at < 3)
        return text.at[at];
    int high = hex_digit(text.at[at + 1]);
    int low = hex_digit(text.at[at + 2]);
    if (high < 0 || low < 0)
        return '%';
    *position = at + 3;
    return (char)(high * 16 + low);
}

static bool is_encoded_name(struct str text, struct str name)
{
    size_t position = 0;
    size_t matched = 0;

    while (position < text.len && matched < name.len)
        if (next_byte(text, &position) != name.at[matched++])
            return false;
    return position == text.len && matched == name.len;
}

struct str encoded_decode(struct exchange *exchange, struct str text)
{
    char *decoded = exchange_alloc(exchange, text.len + 1);
    size_t len = 0;

    for (size_t position = 0; position < text.len;)
        decoded[len++] = next_byte(text, &position);
    decoded[len] = '\0';
    return (struct str){decoded, len};
}

/* The pair that begins at *position, which moves behind its '&'. value.at == NULL: there is no '='. */
static struct str next_pair(struct str text, size_t *position, struct str *name, struct str *value)
{
    size_t end = str_find(text, '&', *position);
    struct str pair = str_part(text, *position, end != SIZE_MAX ? end : text.len);
    size_t equals = str_find(pair, '=', 0);

    *position = end != SIZE_MAX ? end + 1 : text.len;
    *name = str_part(pair, 0, equals != SIZE_MAX ? equals : pair.len);
    *value = equals != SIZE_MAX ? str_part(pair, equals + 1, pair.len) : STR_NONE;
    return pair;
}

struct argument encoded_find(struct exchange *exchange, struct str text, struct str name)
{
    struct argument argument = {0};
    struct str found;
    struct str value;

    for (size_t position = 0; position < text.len;) {
        (void)next_pair(text, &position, &found, &value);
        if (!is_encoded_name(found, name))
            continue;
        if (argument.count++ == 0 && value.at != NULL)
            argument.value = encoded_decode(exchange, value);
    }
    return argument;
}

struct str encoded_remove(struct exchange *exchange, struct str text, struct str name)
{
    char *kept = exchange_alloc(exchange, text.len + 1);
    size_t len = 0;
    struct str found;
    struct str value;

    for (size_t position = 0; position < text.len;) {
        struct str pair = next_pair(text, &position, &found, &value);
        if (pair.len == 0 || is_encoded_name(found, name))
            continue;
        if (len > 0)
            kept[len++] = '&';
        memcpy(kept + len, pair.at, pair.len);
        len += pair.len;
    }
    return len > 0 ? (struct str){kept, len} : STR_NONE;
}

size_t encoded_values(struct exchange *exchange, struct str text, struct str name, struct str *values,
                      size_t room)
{
    size_t count = 0;
    struct str found;
    struct str value;

    for (size_t position = 0; position < text.len && count < room;) {
        (void)next_pair(text, &position, &found, &value);
        if (is_encoded_name(found, name))
            values[count++] = value.at != NULL ? encoded_decode(exchange, value) : STR_NONE;
    }
    return count;
}
