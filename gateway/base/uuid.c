/*
 * uuid - see uuid.h. The work is libuuid's.
 */

#include "gateway/base/uuid.h"

#include <uuid/uuid.h>

_Static_assert(sizeof(uuid_t) == sizeof(struct uuid), "libuuid uses the same 16 bytes");

void uuid_make(struct uuid *uuid)
{
    uuid_generate_random(uuid->bytes);
}

bool uuid_from_str(struct str text, struct uuid *uuid)
{
    char copy[UUID_TEXT_SIZE];

    if (text.len != UUID_TEXT_SIZE - 1)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return uuid_parse(copy, uuid->bytes) == 0;
}

const char *uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE])
{
    uuid_unparse_lower(uuid->bytes, text);
    return text;
}
