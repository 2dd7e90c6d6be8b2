/*
 * json_body - see json_body.h.
 */

#include "admin/json_body.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/* A member and where it stood. */
struct member {
    cJSON *item;
    size_t place;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;
    int order = strcmp(left->item->string, right->item->string);

    if (order != 0)
        return order;
    return left->place < right->place ? -1 : 1;
}

static void keep_last(cJSON *object, size_t count)
{
    struct member *members = mem_alloc(count * sizeof(*members));
    size_t place = 0;

    for (cJSON *child = object->child; child != NULL; child = child->next) {
        members[place] = (struct member){child, place};
        place++;
    }
    qsort(members, count, sizeof(*members), compare_members);
    for (size_t i = 0; i + 1 < count; i++)
        if (strcmp(members[i].item->string, members[i + 1].item->string) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(object, members[i].item));
    free(members);
}

/* As deep as the parser lets it: CJSON_NESTING_LIMIT. */
static void drop_duplicates(cJSON *value)
{
    size_t count = 0;

    for (cJSON *child = value->child; child != NULL; child = child->next) {
        count++;
        drop_duplicates(child);
    }
    if (cJSON_IsObject(value) && count > 1)
        keep_last(value, count);
}

/* Does it contain the escape of a NUL? A backslash before the backslash makes it plain text. */
static bool has_nul_escape(struct str text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.at[i] != '\\')
            continue;
        if (i + 6 <= text.len && memcmp(text.at + i, "\\u0000", 6) == 0)
            return true;
        i++;
    }
    return false;
}

bool json_body_is_too_large(struct str text)
{
    size_t count = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.len && count <= JSON_BODY_MAX_VALUES; i++) {
        char c = text.at[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted)
            i += c == '\\' ? 1 : 0;
        else
            count += c == ',' || c == '[' || c == '{' ? 1 : 0;
    }
    return count > JSON_BODY_MAX_VALUES;
}

cJSON *json_body_parse(struct str text)
{
    const char *end = NULL;

    if (text.len == 0 || memchr(text.at, '\0', text.len) != NULL || !str_is_utf8(text) ||
        has_nul_escape(text))
        return NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text.at, text.len, &end, false);
    if (value == NULL)
        return NULL;
    struct str rest = str_part(text, (size_t)(end - text.at), text.len);
    while (rest.len > 0 && strchr(" \t\r\n", rest.at[0]) != NULL)
        rest = str_part(rest, 1, rest.len);
    if (rest.len == 0 && cJSON_IsArray(value) && value->child == NULL)
        value->type = cJSON_Object;
    if (rest.len > 0 || !cJSON_IsObject(value)) {
        cJSON_Delete(value);
        return NULL;
    }
    drop_duplicates(value);
    return value;
}
