/*
 * hop_by_hop - see hop_by_hop.h. Almost every Connection line says keep-alive or close.
 */

#include "gateway/proxy/hop_by_hop.h"

enum {
    NAMED_MAX = 64 /* names that are looked at: a list of thousands must not cost thousands of walks */
};

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

void hop_by_hop_drop_named(struct headers *headers)
{
    struct str names[NAMED_MAX];
    size_t count = 0;

    for (const struct header *line = headers_find(headers, STR("Connection")); line != NULL;
         line = headers_find_next(headers, line, STR("Connection"))) {
        struct str list = line->value;
        struct str name;
        while (count < NAMED_MAX && take(&list, &name))
            if (name.len > 0 && !is_option(name))
                names[count++] = name;
    }
    for (size_t i = 0; i < count; i++)
        (void)headers_remove(headers, names[i]);
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
