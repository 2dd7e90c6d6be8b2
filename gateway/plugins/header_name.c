/*
 * header_name - see header_name.h.
 */

#include "gateway/plugins/header_name.h"

#include <ctype.h>
#include <stdio.h>

bool text_is_header_name(const cJSON *value, char message[256])
{
    for (const char *at = value->valuestring; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) != 0 || *at == '-' || *at == '_')
            continue;
        (void)snprintf(message, 256,
                       "bad header name '%.100s', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
                       value->valuestring);
        return false;
    }
    return true;
}
