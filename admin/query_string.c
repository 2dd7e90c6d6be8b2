/*
 * query_string - see query_string.h. Decoding never makes a text longer, so one buffer of the query's length
 * holds every name and value, and the arguments may point into it while it is being filled.
 */

#include "admin/query_string.h"

#include <stdlib.h>

#include "admin/url.h"
#include "gateway/base/mem.h"

static struct str decoded(struct buf *text, struct str raw)
{
    size_t from = text->len;

    url_decode(text, raw, URL_FORM);
    return (struct str){text->at + from, text->len - from};
}

static void add(struct query_string *arguments, struct str pair)
{
    size_t equals = str_find(pair, '=', 0);
    struct query_argument *argument = &arguments->at[arguments->count++];

    argument->name = decoded(&arguments->text, str_part(pair, 0, equals == SIZE_MAX ? pair.len : equals));
    argument->value = STR_NONE;
    if (equals != SIZE_MAX)
        argument->value = decoded(&arguments->text, str_part(pair, equals + 1, pair.len));
}

bool query_string_parse(struct str query, struct query_string *arguments)
{
    *arguments = (struct query_string){0};
    if (query.len == 0)
        return true;
    (void)buf_reserve(&arguments->text, query.len);
    arguments->at = mem_alloc(QUERY_STRING_MAX * sizeof(*arguments->at));
    for (size_t from = 0; from <= query.len;) {
        size_t to = str_find(query, '&', from);
        if (to == SIZE_MAX)
            to = query.len;
        if (to > from && arguments->count == QUERY_STRING_MAX) {
            query_string_fini(arguments);
            return false;
        }
        if (to > from)
            add(arguments, str_part(query, from, to));
        from = to + 1;
    }
    return true;
}

void query_string_fini(struct query_string *arguments)
{
    free(arguments->at);
    buf_fini(&arguments->text);
    *arguments = (struct query_string){0};
}

const struct query_argument *query_string_find(const struct query_string *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->count; i++)
        if (str_equal(arguments->at[i].name, str_of(name)))
            return &arguments->at[i];
    return NULL;
}

size_t query_string_count(const struct query_string *arguments, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < arguments->count; i++)
        count += str_equal(arguments->at[i].name, str_of(name)) ? 1 : 0;
    return count;
}
