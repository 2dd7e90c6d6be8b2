/*
 * pairs - see pairs.h.
 */

#include "gateway/plugin_schemas/pairs.h"

#include <stdio.h>
#include <string.h>

#include "gateway/plugin_schemas/parts.h"

enum {
    SHOWN_MAX = 200
};

const struct field_note part_pair_notes[] = {{"match", "\"^[^:]+:.*$\""}, {NULL, NULL}};

struct pair {
    struct str name, value;
};

static struct pair cut(const char *text)
{
    size_t length = strcspn(text, ":");
    const char *value = text + length + strspn(text + length, ":");

    return (struct pair){{text, length}, str_of(value)};
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

bool text_is_a_header(const cJSON *value, char message[256])
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

bool text_is_header_rename(const cJSON *value, char message[256])
{
    struct pair pair = cut(value->valuestring);

    return text_is_header_pair(value, message) &&
           (is_header(pair.value) || refuse(message, "header", pair.value));
}
