/*
 * paging - see paging.h.
 */

#include "admin/paging.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/url.h"
#include "gateway/base/mem.h"

enum {
    DEFAULT_SIZE = 100,
    MAX_SIZE = 1000,
    MAX_NUMBER = 64, /* characters */
    MAX_DIGITS = 9   /* of a position */
};

/* The only field a collection can be searched by; everything else in a query is ignored. */
static const struct {
    const char *schema;
    const char *field;
} filters[] = {
    {"consumers", "custom_id"},
};

static bool to_number(struct str text, double *number)
{
    char copy[MAX_NUMBER + 1];
    char *end;

    if (text.len == 0 || text.len > MAX_NUMBER)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    *number = strtod(copy, &end);
    return end == copy + text.len && isfinite(*number) != 0;
}

static bool read_size(const struct query_string *query, struct paging *paging, struct answer *answer)
{
    const struct query_argument *argument = query_string_find(query, "size");
    double number;

    paging->size = DEFAULT_SIZE;
    if (argument == NULL)
        return true;
    if (query_string_count(query, "size") > 1 || !to_number(argument->value, &number)) {
        answer_error(answer, ANSWER_INVALID_SIZE, NULL, "size must be a number");
        return false;
    }
    if (number < 1 || number > MAX_SIZE || number != floor(number)) {
        answer_error(answer, ANSWER_INVALID_SIZE, NULL, "size must be an integer between 1 and 1000");
        return false;
    }
    paging->size = (int)number;
    paging->has_size = true;
    return true;
}

static bool is_tag_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
            return false;
    return str_is_utf8(text);
}

/* NULL, or what is wrong. */
static const char *split_tags(struct str text, struct paging *paging)
{
    bool has_or = str_find(text, '/', 0) != SIZE_MAX;

    if (!is_tag_text(text) || (has_or && str_find(text, ',', 0) != SIZE_MAX))
        return "invalid filter syntax";
    for (size_t from = 0; from <= text.len;) {
        size_t to = str_find(text, has_or ? '/' : ',', from);
        if (to == SIZE_MAX)
            to = text.len;
        if (paging->tag_count == PAGING_MAX_TAGS)
            return "cannot query more than 5 tags";
        paging->tags[paging->tag_count++] = str_part(text, from, to);
        from = to + 1;
    }
    paging->any_tag = has_or;
    return NULL;
}

static bool read_tags(const struct query_string *query, struct paging *paging, struct answer *answer)
{
    const struct query_argument *argument = query_string_find(query, "tags");

    if (argument == NULL || argument->value.len == 0)
        return true;
    const char *problem = split_tags(argument->value, paging);
    if (problem != NULL) {
        answer_invalid_option(answer, "tags", problem);
        return false;
    }
    paging->tag_text = argument->value;
    return true;
}

const char *paging_filter(const struct schema *schema)
{
    for (size_t i = 0; i < COUNT(filters); i++)
        if (strcmp(filters[i].schema, schema->name) == 0)
            return filters[i].field;
    return NULL;
}

static bool read_filter(const struct query_string *query, const struct schema *schema, struct paging *paging,
                        struct answer *answer)
{
    const char *field = paging_filter(schema);
    const struct query_argument *argument = field != NULL ? query_string_find(query, field) : NULL;

    if (argument == NULL)
        return true;
    if (argument->value.len == 0) {
        answer_message(answer, 400, "%s must be an unempty string", field);
        return false;
    }
    paging->match_field = field;
    paging->match_value = argument->value;
    return true;
}

bool paging_read(const struct query_string *query, const struct schema *schema, struct paging *paging,
                 struct answer *answer)
{
    const struct query_argument *offset = query_string_find(query, "offset");

    *paging = (struct paging){0};
    if (offset != NULL)
        paging->offset = offset->value.at != NULL ? offset->value : STR("");
    if (schema == NULL)
        return read_size(query, paging, answer);
    return read_filter(query, schema, paging, answer) && read_size(query, paging, answer) &&
           (!schema->has_tags || read_tags(query, paging, answer));
}

static bool read_skip(const struct query_string *query, struct paging *paging, struct answer *answer)
{
    const struct query_argument *argument = query_string_find(query, "offset");

    if (argument == NULL || (argument->value.len > 0 && argument->value.len <= MAX_DIGITS &&
                             str_to_int(argument->value, &paging->skip) && paging->skip >= 0))
        return true;
    char *message = mem_printf("'%.*s' is not a valid offset: expected a position", STR_ARG(argument->value));
    answer_error(answer, ANSWER_INVALID_OFFSET, NULL, message);
    free(message);
    return false;
}

bool paging_read_position(const struct query_string *query, const struct schema *schema,
                          struct paging *paging, struct answer *answer)
{
    const struct query_argument *size = query_string_find(query, "size");
    double number = DEFAULT_SIZE;

    *paging = (struct paging){0};
    if (size != NULL && !to_number(size->value, &number)) {
        answer_error(answer, ANSWER_INVALID_SIZE, NULL, "size must be a number");
        return false;
    }
    if (number < 1)
        number = 1;
    paging->size = number > MAX_SIZE ? MAX_SIZE : (int)number;
    return read_skip(query, paging, answer) && (!schema->has_tags || read_tags(query, paging, answer));
}

void paging_add_argument(struct buf *url, const char *name, struct str value)
{
    bool is_first = url->len == 0 || memchr(url->at, '?', url->len) == NULL;

    buf_add_byte(url, is_first ? '?' : '&');
    buf_add_text(url, name);
    buf_add_byte(url, '=');
    url_escape(url, value, "");
}
