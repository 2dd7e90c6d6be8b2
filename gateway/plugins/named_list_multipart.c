/*
 * named_list_multipart - the parts of a multipart/form-data body as a named_list. A part that was not changed
 * is written as it came, files and all; one that was has a name and a value and nothing else.
 */

#include "gateway/plugins/named_list.h"

#include <string.h>

#include "gateway/http/exchange.h"
#include "gateway/plugins/arguments.h"
#include "gateway/plugins/multipart.h"

bool named_list_read_multipart(struct named_list *list, struct str content_type, struct str text)
{
    char storage[MULTIPART_DELIMITER_MAX];
    struct str delimiter = multipart_delimiter(content_type, storage);
    struct multipart_part part = multipart_start(text, delimiter);

    if (delimiter.len == 0)
        return false;
    while (multipart_next(text, delimiter, &part)) {
        if (list->count == ARGUMENTS_MAX_VALUES)
            return false;
        named_list_add(list, part.name, part.value);
        list->at[list->count - 1].raw = str_part(text, part.from, part.to);
    }
    return true;
}

/* What may stand inside the quotes of a name (RFC 7578, 2; the HTML standard escapes these three). */
static struct str quoted_name(struct exchange *exchange, struct str name)
{
    char *to = exchange_alloc(exchange, 3 * name.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < name.len; i++) {
        size_t which = str_find(STR("\"\r\n"), name.at[i], 0);
        if (which == SIZE_MAX) {
            to[len++] = name.at[i];
            continue;
        }
        memcpy(to + len, &"%22%0D%0A"[3 * which], 3);
        len += 3;
    }
    return (struct str){to, len};
}

static struct str write_part(const struct named_list *list, const struct named_value *value,
                             struct str delimiter)
{
    struct str name = quoted_name(list->owner, value->name);

    if (value->raw.at != NULL)
        return value->raw;
    struct str head =
        exchange_printf(list->owner, "%.*s\r\nContent-Disposition: form-data; name=\"%.*s\"\r\n\r\n",
                        STR_ARG(delimiter), STR_ARG(name));
    char *to = exchange_alloc(list->owner, head.len + value->value.len + 2);
    memcpy(to, head.at, head.len);
    if (value->value.len > 0)
        memcpy(to + head.len, value->value.at, value->value.len);
    memcpy(to + head.len + value->value.len, "\r\n", 2);
    return (struct str){to, head.len + value->value.len + 2};
}

struct str named_list_write_multipart(const struct named_list *list, struct str content_type)
{
    char storage[MULTIPART_DELIMITER_MAX];
    struct str delimiter = multipart_delimiter(content_type, storage);
    struct str *parts = exchange_alloc(list->owner, (list->count + 1) * sizeof(*parts));
    size_t len = 0;

    for (size_t i = 0; i < list->count; i++) {
        parts[i] = write_part(list, &list->at[i], delimiter);
        len += parts[i].len;
    }
    parts[list->count] = exchange_printf(list->owner, "%.*s--\r\n", STR_ARG(delimiter));
    char *to = exchange_alloc(list->owner, len + parts[list->count].len);
    len = 0;
    for (size_t i = 0; i <= list->count; i++) {
        memcpy(to + len, parts[i].at, parts[i].len);
        len += parts[i].len;
    }
    return (struct str){to, len};
}
