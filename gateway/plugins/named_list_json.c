/*
 * named_list_json - the members of a JSON object as a named_list. The text is checked by cJSON and then cut,
 * not printed anew: numbers that no double can hold, and the order of members, stay as they came.
 */

#include "gateway/plugins/named_list.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "gateway/http/exchange.h"
#include "gateway/plugins/json_text.h"

static struct str trim(struct str text)
{
    while (text.len > 0 && (unsigned char)text.at[0] <= ' ')
        text = str_part(text, 1, text.len);
    while (text.len > 0 && (unsigned char)text.at[text.len - 1] <= ' ')
        text.len--;
    return text;
}

/* A string in its quotes, decoded. */
static struct str decode(struct exchange *exchange, struct str quoted)
{
    if (memchr(quoted.at, '\\', quoted.len) == NULL)
        return str_part(quoted, 1, quoted.len - 1);
    cJSON *text = cJSON_ParseWithLength(quoted.at, quoted.len);
    struct str name = exchange_copy(exchange, str_of(cJSON_GetStringValue(text)));
    cJSON_Delete(text);
    return name;
}

bool named_list_read_json(struct named_list *list, struct str text)
{
    struct str body = trim(text);

    if (body.len == 0 || body.at[0] != '{' || !json_text_is_good(body))
        return false;
    for (size_t at = 1; at < body.len - 1;) {
        size_t end = json_text_member_end(body, at);
        struct str member = trim(str_part(body, at, end));
        at = end + 1;
        if (member.len == 0)
            break; /* {} */
        size_t quoted = json_text_skip_string(member, 0);
        struct str value = trim(str_part(member, quoted, member.len)); /* with its colon */
        named_list_add(list, decode(list->owner, str_part(member, 0, quoted)),
                       trim(str_part(value, 1, value.len)));
        list->at[list->count - 1].raw = str_part(member, 0, quoted);
    }
    return true;
}

static size_t put(char *to, size_t len, struct str bytes)
{
    if (bytes.len > 0)
        memcpy(to + len, bytes.at, bytes.len);
    return len + bytes.len;
}

/* A control byte becomes six. */
static size_t put_text(char *to, size_t len, struct str text)
{
    static const char digits[] = "0123456789abcdef";

    to[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte == '"' || byte == '\\')
            to[len++] = '\\';
        if (byte >= ' ') {
            to[len++] = text.at[i];
            continue;
        }
        len = put(to, len, STR("\\u00"));
        to[len++] = digits[byte >> 4];
        to[len++] = digits[byte & 15];
    }
    to[len++] = '"';
    return len;
}

struct str named_list_json_text(struct exchange *exchange, struct str text)
{
    char *to = exchange_alloc(exchange, 6 * text.len + 2);

    return (struct str){to, put_text(to, 0, text)};
}

struct str named_list_write_json(const struct named_list *list)
{
    size_t room = 2;

    for (size_t i = 0; i < list->count; i++)
        room += 6 * list->at[i].name.len + list->at[i].raw.len + list->at[i].value.len + 4;
    char *to = exchange_alloc(list->owner, room);
    size_t len = put(to, 0, STR("{"));
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            to[len++] = ',';
        len =
            list->at[i].raw.at != NULL ? put(to, len, list->at[i].raw) : put_text(to, len, list->at[i].name);
        to[len++] = ':';
        len = put(to, len, list->at[i].value);
    }
    len = put(to, len, STR("}"));
    return (struct str){to, len};
}

struct str named_list_json_append(struct exchange *exchange, struct str there, struct str value)
{
    char first = there.len > 0 ? there.at[0] : '\0';

    if (first == '{')
        return there;
    if (first == '"')
        return exchange_printf(exchange, "[%.*s,%.*s]", STR_ARG(there), STR_ARG(value));
    if (first != '[')
        return exchange_printf(exchange, "[%.*s]", STR_ARG(value));
    bool is_empty = str_trim(str_part(there, 1, there.len - 1)).len == 0;
    return exchange_printf(exchange, "%.*s%s%.*s]", STR_ARG(str_part(there, 0, there.len - 1)),
                           is_empty ? "" : ",", STR_ARG(value));
}
