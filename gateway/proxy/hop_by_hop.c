/*
 * hop_by_hop - see hop_by_hop.h. Almost every Connection line says keep-alive or close. One that names
 * thousands must not cost thousands of walks over the lines: names are looked up in a sorted list of those
 * that are there.
 */

#include "gateway/proxy/hop_by_hop.h"

#include <stdlib.h>
#include <strings.h>

enum {
    LINES_MAX = 256 /* more than a head can have (guard, response_head) */
};

/* The names of the lines, and which of them have to go. */
struct index {
    struct str names[LINES_MAX];
    bool named[LINES_MAX];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    const struct str *left = a;
    const struct str *right = b;

    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    return strncasecmp(left->at, right->at, left->len);
}

/* Takes the next element off the front of a list; false: there is none. */
static bool take(struct str *list, struct str *item)
{
    if (list->at == NULL)
        return false;
    size_t comma = str_find(*list, ',', 0);
    size_t end = comma == SIZE_MAX ? list->len : comma;
    *item = str_trim(str_part(*list, 0, end));
    *list = comma == SIZE_MAX ? STR_NONE : str_part(*list, comma + 1, list->len);
    return true;
}

static bool is_option(struct str name)
{
    return str_equal_nocase(name, STR("keep-alive")) || str_equal_nocase(name, STR("close")) ||
           str_equal_nocase(name, STR("upgrade")) || str_equal_nocase(name, STR("te"));
}

static void make_index(struct index *index, const struct headers *headers)
{
    index->count = headers->count < LINES_MAX ? headers->count : LINES_MAX;
    for (size_t i = 0; i < index->count; i++) {
        index->names[i] = headers->at[i].name;
        index->named[i] = false;
    }
    qsort(index->names, index->count, sizeof(index->names[0]), by_name);
}

static void mark(struct index *index, struct str name)
{
    const struct str *found = bsearch(&name, index->names, index->count, sizeof(index->names[0]), by_name);

    if (found != NULL)
        index->named[found - index->names] = true;
}

void hop_by_hop_drop_named(struct headers *headers)
{
    struct index index;
    bool indexed = false;

    for (const struct header *line = headers_find(headers, STR("Connection")); line != NULL;
         line = headers_find_next(headers, line, STR("Connection"))) {
        struct str list = line->value;
        struct str name;
        while (take(&list, &name)) {
            if (name.len == 0 || is_option(name))
                continue;
            if (!indexed)
                make_index(&index, headers);
            indexed = true;
            mark(&index, name);
        }
    }
    for (size_t i = 0; indexed && i < index.count; i++)
        if (index.named[i])
            (void)headers_remove(headers, index.names[i]);
}

bool hop_by_hop_mentions(struct str list, struct str word)
{
    struct str item;

    while (take(&list, &item)) {
        size_t parameters = str_find(item, ';', 0);
        if (parameters != SIZE_MAX)
            item = str_trim(str_part(item, 0, parameters));
        if (str_equal_nocase(item, word))
            return true;
    }
    return false;
}
