/*
 * page_token - base64 of ["<uuid>"], there and back.
 *
 * Clients get tokens from us only, so reading accepts exactly what making makes; padding is allowed because
 * some clients add it.
 */

#include "gateway/store/page_token.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    JSON_SIZE = 2 + UUID_TEXT_SIZE - 1 + 2, /* [" ... "] */
    MAX_DIGITS = 9,
    MAX_PLACE = 999999999,
    MAX_BYTES = 255, /* longer tokens are not ours; decoding stops there */
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct str without_padding(struct str token)
{
    for (int i = 0; i < 2 && token.len > 0 && token.at[token.len - 1] == '='; i++)
        token.len--;
    return token;
}

/* false: not base64. Bytes behind MAX_BYTES are checked but not kept. */
static bool decode(struct str token, char bytes[MAX_BYTES], size_t *count)
{
    uint32_t bits = 0;
    int bit_count = 0;
    size_t length = 0;

    if (token.len % 4 == 1)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        const char *digit = token.at[i] != '\0' ? strchr(alphabet, token.at[i]) : NULL;
        if (digit == NULL)
            return false;
        bits = (bits << 6 | (uint32_t)(digit - alphabet)) & 0xffff;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        if (length < MAX_BYTES)
            bytes[length++] = (char)(bits >> bit_count & 0xff);
    }
    *count = length;
    return true;
}

/* Unpadded base64 of `length` bytes; two zeroes follow them. */
static void encode(const char *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = (uint32_t)(unsigned char)bytes[i] << 16 |
                         (uint32_t)(unsigned char)bytes[i + 1] << 8 | (uint32_t)(unsigned char)bytes[i + 2];
        size_t digits = length - i >= 3 ? 4 : length - i + 1;
        for (size_t k = 0; k < digits; k++)
            *text++ = alphabet[group >> (18 - 6 * k) & 63];
    }
    *text = '\0';
}

const char *page_token_make(const struct uuid *id, char text[PAGE_TOKEN_SIZE])
{
    char json[JSON_SIZE + 3] = {0}; /* zeroes behind the end are the bits of the last group */
    char id_text[UUID_TEXT_SIZE];

    (void)snprintf(json, JSON_SIZE + 1, "[\"%s\"]", uuid_format(id, id_text));
    encode(json, JSON_SIZE, text);
    return text;
}

const char *page_token_make_within(const struct uuid *id, int64_t place, char text[PAGE_TOKEN_WITHIN_SIZE])
{
    char json[JSON_SIZE + 1 + MAX_DIGITS + 3] = {0};
    char id_text[UUID_TEXT_SIZE];

    assert(place > 0 && place <= MAX_PLACE);
    int length = snprintf(json, sizeof(json), "[\"%s\",%d]", uuid_format(id, id_text), (int)place);
    encode(json, (size_t)length, text);
    return text;
}

/* Of a token that has been decoded. */
static enum page_token_verdict read_id(const char *json, size_t length, struct uuid *id)
{
    if (length < JSON_SIZE || memcmp(json, "[\"", 2) != 0 || json[JSON_SIZE - 2] != '"')
        return PAGE_TOKEN_BAD_JSON;
    return uuid_from_str((struct str){json + 2, UUID_TEXT_SIZE - 1}, id) ? PAGE_TOKEN_OK
                                                                         : PAGE_TOKEN_BAD_JSON;
}

enum page_token_verdict page_token_read(struct str token, struct uuid *id)
{
    char json[MAX_BYTES];
    size_t length;

    if (!decode(without_padding(token), json, &length))
        return PAGE_TOKEN_BAD_BASE64;
    return length == JSON_SIZE && json[length - 1] == ']' ? read_id(json, length, id) : PAGE_TOKEN_BAD_JSON;
}

enum page_token_verdict page_token_read_within(struct str token, struct uuid *id, int64_t *place)
{
    char json[MAX_BYTES];
    size_t length;

    if (!decode(without_padding(token), json, &length))
        return PAGE_TOKEN_BAD_BASE64;
    if (length < JSON_SIZE || json[length - 1] != ']')
        return PAGE_TOKEN_BAD_JSON;
    struct str digits = {json + JSON_SIZE, length - JSON_SIZE > 0 ? length - JSON_SIZE - 1 : 0};
    *place = 1;
    if (length > JSON_SIZE && (json[JSON_SIZE - 1] != ',' || digits.len == 0 || digits.len > MAX_DIGITS ||
                               !str_to_int(digits, place) || *place < 1))
        return PAGE_TOKEN_BAD_JSON;
    return read_id(json, length, id);
}
