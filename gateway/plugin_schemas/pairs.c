/*
 * pairs - see pairs.h.
 */

#include "gateway/plugin_schemas/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/plugin_schemas/parts.h"

enum {
    SHOWN_MAX = 200
};

const struct field_note pair_notes[] = {{"match", "\"^[^:]+:.*$\""}, {NULL, NULL}};

static struct pair cut(const char *text)
{
    size_t length = strcspn(text, ":");
    const char *value = text + length + strspn(text + length, ":");

    return (struct pair){.name = {text, length}, .value = str_of(value)};
}

static bool refuse(char message[256], const char *format, struct str what)
{
    int length = (int)(what.len < SHOWN_MAX ? what.len : SHOWN_MAX);

    while (length > 0 && (size_t)length < what.len && ((unsigned char)what.at[length] & 0xc0) == 0x80)
        length--;
    if (strcmp(format, "header") == 0)
        (void)snprintf(message, 256, "'%.*s' is not a valid header", length, what.at);
    else
        (void)snprintf(message, 256, "key '%.*s' has no value", length, what.at);
    return false;
}

static bool is_header(struct str name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < name.len; i++)
        if (memchr(letters, name.at[i], sizeof(letters) - 1) == NULL)
            return false;
    return name.len > 0;
}

bool text_is_pair(const cJSON *value, char message[256])
{
    const char *colon = strchr(value->valuestring, ':');

    return part_refuse_unless(colon != NULL && colon > value->valuestring, value, message);
}

bool text_has_value(const cJSON *value, char message[256])
{
    struct pair pair = cut(value->valuestring);

    return (pair.name.len > 0 && pair.value.len > 0) || refuse(message, "value", pair.name);
}

static bool text_is_a_header(const cJSON *value, char message[256])
{
    struct pair pair = cut(value->valuestring);

    return is_header(pair.name) || refuse(message, "header", pair.name);
}

bool text_is_header_pair(const cJSON *value, char message[256])
{
    return text_is_pair(value, message) && text_is_a_header(value, message);
}

bool text_is_header_with_value(const cJSON *value, char message[256])
{
    return text_is_header_pair(value, message) && text_has_value(value, message);
}

static bool text_is_header_rename(const cJSON *value, char message[256])
{
    struct pair pair = cut(value->valuestring);

    return text_is_header_pair(value, message) &&
           (is_header(pair.value) || refuse(message, "header", pair.value));
}

const struct field pair_header_name = {.name = "elements", .kind = FIELD_STRING, .check = text_is_a_header};
const struct field pair_header_rename = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_header_rename, .notes = pair_notes};

/* ---- values ---- */

struct pair_list pair_list_read(const cJSON *record, const char *name)
{
    const cJSON *texts = cJSON_GetObjectItemCaseSensitive(record, name);
    struct pair_list list = {0};
    const cJSON *text;

    if (!cJSON_IsArray(texts) || texts->child == NULL)
        return list;
    list.at = mem_zalloc((size_t)cJSON_GetArraySize(texts) * sizeof(*list.at));
    cJSON_ArrayForEach(text, texts)
    {
        if (!cJSON_IsString(text))
            continue;
        char *copy = mem_strdup(text->valuestring);
        list.at[list.count] = cut(copy);
        list.at[list.count++].text = copy;
    }
    return list;
}

void pair_list_fini(struct pair_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].text);
    free(list->at);
    *list = (struct pair_list){0};
}

struct str pair_value(const char *text)
{
    return cut(text).value;
}
