/*
 * cookie - see cookie.h. "a=1; b=2".
 */

#include "gateway/http/cookie.h"

static struct str find_in_line(struct str line, struct str name)
{
    while (line.len > 0) {
        size_t end = str_find(line, ';', 0);
        struct str pair = str_trim(str_part(line, 0, end != SIZE_MAX ? end : line.len));
        size_t equals = str_find(pair, '=', 0);
        if (equals != SIZE_MAX && str_equal(str_part(pair, 0, equals), name) && equals + 1 < pair.len)
            return str_part(pair, equals + 1, pair.len);
        line = end != SIZE_MAX ? str_part(line, end + 1, line.len) : STR_NONE;
    }
    return STR_NONE;
}

struct str cookie_find(const struct headers *headers, struct str name)
{
    struct str value = STR_NONE;

    for (const struct header *line = headers_find(headers, STR("Cookie")); line != NULL && value.at == NULL;
         line = headers_find_next(headers, line, STR("Cookie")))
        value = find_in_line(line->value, name);
    return value;
}
