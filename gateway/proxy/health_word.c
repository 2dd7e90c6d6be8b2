/*
 * health_word - see health_word.h.
 */

#include "gateway/proxy/health_word.h"

#include <stdio.h>
#include <string.h>

#define UP   "health:up:"
#define DOWN "health:down:"

enum {
    SHORT_BYTES = sizeof(struct uuid),
    LONG_BYTES = sizeof(struct uuid) + sizeof(struct peer_address),
    SHORT_TEXT = (SHORT_BYTES * 8 + 5) / 6, /* without padding */
    LONG_TEXT = (LONG_BYTES * 8 + 5) / 6,
};

_Static_assert(sizeof(DOWN) + LONG_TEXT <= HEALTH_WORD_SIZE, "the longest word has room in the log");

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; /* RFC 4648, 5 */

static void encode(const uint8_t *bytes, size_t count, char *to)
{
    uint32_t bits = 0;
    int width = 0;

    for (size_t i = 0; i < count; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        for (width += 8; width >= 6; width -= 6)
            *to++ = digits[bits >> (width - 6) & 63];
    }
    if (width > 0)
        *to++ = digits[bits << (6 - width) & 63];
    *to = '\0';
}

/* False: not the digits of `count` bytes; bits that are left over must be 0. */
static bool decode(struct str text, uint8_t *bytes, size_t count)
{
    uint32_t bits = 0;
    int width = 0;
    size_t made = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.at[i] != '\0' ? strchr(digits, text.at[i]) : NULL;
        if (digit == NULL)
            return false;
        bits = (bits << 6 | (uint32_t)(digit - digits)) & 0x3fff;
        width += 6;
        if (width < 8)
            continue;
        width -= 8;
        if (made == count)
            return false;
        bytes[made++] = (uint8_t)(bits >> width);
    }
    return made == count && (bits & ((1u << width) - 1)) == 0;
}

void health_word_format(const struct health_word *word, char text[HEALTH_WORD_SIZE])
{
    uint8_t bytes[LONG_BYTES];
    char coded[LONG_TEXT + 1];

    memcpy(bytes, &word->target, SHORT_BYTES);
    memcpy(bytes + SHORT_BYTES, &word->address, sizeof(word->address));
    encode(bytes, word->has_address ? LONG_BYTES : SHORT_BYTES, coded);
    (void)snprintf(text, HEALTH_WORD_SIZE, "%s%s", word->healthy ? UP : DOWN, coded);
}

bool health_word_parse(struct str text, struct health_word *word)
{
    bool healthy = str_starts_with(text, STR(UP));
    uint8_t bytes[LONG_BYTES] = {0};

    if (!healthy && !str_starts_with(text, STR(DOWN)))
        return false;
    struct str coded = str_part(text, healthy ? sizeof(UP) - 1 : sizeof(DOWN) - 1, text.len);
    bool has_address = coded.len == LONG_TEXT;
    if ((!has_address && coded.len != SHORT_TEXT) ||
        !decode(coded, bytes, has_address ? LONG_BYTES : SHORT_BYTES))
        return false;
    *word = (struct health_word){.has_address = has_address, .healthy = healthy};
    memcpy(&word->target, bytes, SHORT_BYTES);
    memcpy(&word->address, bytes + SHORT_BYTES, sizeof(word->address));
    return true;
}
