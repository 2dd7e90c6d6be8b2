/*
 * named_list - see named_list.h.
 */

#include "gateway/plugins/named_list.h"

#include <string.h>

#include "gateway/http/encoded.h"
#include "gateway/http/exchange.h"
#include "gateway/plugins/arguments.h"

static struct named_value *find_from(const struct named_list *list, size_t from, struct str name)
{
    for (size_t i = from; i < list->count; i++)
        if (str_equal(list->at[i].name, name))
            return &list->at[i];
    return NULL;
}

struct named_value *named_list_find(const struct named_list *list, struct str name)
{
    return find_from(list, 0, name);
}

void named_list_add(struct named_list *list, struct str name, struct str value)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 16 : list->room * 2;
        struct named_value *at = exchange_alloc(list->owner, room * sizeof(*at));
        if (list->count > 0)
            memcpy(at, list->at, list->count * sizeof(*at));
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = (struct named_value){.name = name, .value = value};
}

static void remove_from(struct named_list *list, size_t from, struct str name)
{
    size_t kept = from;

    for (size_t i = from; i < list->count; i++)
        if (!str_equal(list->at[i].name, name))
            list->at[kept++] = list->at[i];
    list->count = kept;
}

void named_list_remove(struct named_list *list, struct str name)
{
    remove_from(list, 0, name);
}

void named_list_rename(struct named_list *list, struct str name, struct str other)
{
    if (str_equal(name, other) || find_from(list, 0, name) == NULL)
        return;
    named_list_remove(list, other);
    for (size_t i = 0; i < list->count; i++) {
        if (!str_equal(list->at[i].name, name))
            continue;
        list->at[i].name = other;
        list->at[i].raw = STR_NONE;
    }
}

void named_list_replace(struct named_list *list, struct str name, struct str value)
{
    struct named_value *first = find_from(list, 0, name);

    if (first == NULL)
        return;
    *first = (struct named_value){.name = name, .value = value};
    remove_from(list, (size_t)(first - list->at) + 1, name);
}

/* ---- urlencoded ---- */

bool named_list_read_encoded(struct named_list *list, struct str text)
{
    for (size_t at = 0; at < text.len;) {
        size_t end = str_find(text, '&', at);
        struct str pair = str_part(text, at, end != SIZE_MAX ? end : text.len);
        size_t equals = str_find(pair, '=', 0);
        at = end != SIZE_MAX ? end + 1 : text.len;
        if (pair.len == 0)
            continue;
        if (list->count == ARGUMENTS_MAX_VALUES)
            return false;
        struct str name = str_part(pair, 0, equals != SIZE_MAX ? equals : pair.len);
        named_list_add(list, encoded_decode(list->owner, name),
                       equals != SIZE_MAX ? encoded_decode(list->owner, str_part(pair, equals + 1, pair.len))
                                          : STR_NONE);
    }
    return true;
}

/* RFC 3986, 2.3 */
static bool is_unreserved(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static size_t put_encoded(char *to, size_t len, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (is_unreserved(text.at[i])) {
            to[len++] = text.at[i];
            continue;
        }
        to[len++] = '%';
        to[len++] = digits[byte >> 4];
        to[len++] = digits[byte & 15];
    }
    return len;
}

struct str named_list_write_encoded(const struct named_list *list)
{
    size_t room = 1;

    for (size_t i = 0; i < list->count; i++)
        room += 3 * (list->at[i].name.len + list->at[i].value.len) + 2;
    char *to = exchange_alloc(list->owner, room);
    size_t len = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            to[len++] = '&';
        len = put_encoded(to, len, list->at[i].name);
        if (list->at[i].value.at == NULL)
            continue;
        to[len++] = '=';
        len = put_encoded(to, len, list->at[i].value);
    }
    return (struct str){to, len};
}
