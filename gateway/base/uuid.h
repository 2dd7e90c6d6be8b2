#pragma once

/*
 * uuid - 16 bytes, written as 8-4-4-4-12 hexadecimal digits. Threads: any.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    UUID_TEXT_SIZE = 37
}; /* 36 characters and a NUL */

struct uuid {
    uint8_t bytes[16];
};

/* Version 4, from the kernel's random source. */
void uuid_make(struct uuid *uuid);
/* Any case of hexadecimal digits. */
bool uuid_from_str(struct str text, struct uuid *uuid) MUST_CHECK;
/* Lower case. Returns `text`. */
const char *uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE]);

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline int uuid_order(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static inline bool uuid_is_nil(const struct uuid *uuid)
{
    static const struct uuid nil;

    return uuid_equal(uuid, &nil);
}
