/*
 * header_name - see header_name.h.
 */

#include "gateway/model/header_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    SHOWN_MAX = 100
};

/* Of the beginning that a message shows: whole characters. */
static int shown_length(const char *text)
{
    int length = (int)strnlen(text, SHOWN_MAX + 1);

    if (length <= SHOWN_MAX)
        return length;
    for (length = SHOWN_MAX; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80; length--)
        continue;
    return length;
}

bool text_is_header_name(const cJSON *value, char message[256])
{
    for (const char *at = value->valuestring; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) != 0 || *at == '-' || *at == '_')
            continue;
        (void)snprintf(message, 256,
                       "bad header name '%.*s', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
                       shown_length(value->valuestring), value->valuestring);
        return false;
    }
    return true;
}
