/*
 * base64 - see base64.h. Clients mix the alphabets of sections 4 and 5, whose letters do not collide, so both
 * are read everywhere.
 */

#include "gateway/plugins/base64.h"

#include <stdint.h>

#include <openssl/evp.h>

#include "gateway/base/mem.h"
#include "gateway/http/exchange.h"

static int value_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    if (letter == '+' || letter == '-')
        return 62;
    return letter == '/' || letter == '_' ? 63 : -1;
}

/* At most two '=', and then the whole is groups of four. false: there is another number of them. */
static bool take_padding(struct str *text)
{
    size_t padding = 0;

    while (padding < text->len && padding < 2 && text->at[text->len - padding - 1] == '=')
        padding++;
    if (padding > 0 && text->len % 4 != 0)
        return false;
    text->len -= padding;
    return text->len % 4 != 1; /* six bits are no byte */
}

struct str base64_decode(struct exchange *exchange, struct str text)
{
    uint32_t bits = 0;
    size_t len = 0;

    if (text.at == NULL || !take_padding(&text))
        return STR_NONE;
    char *bytes = exchange_alloc(exchange, text.len / 4 * 3 + 3);
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.at[i]);
        if (value < 0)
            return STR_NONE;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            bytes[len++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
    }
    bytes[len] = '\0';
    return (struct str){bytes, len};
}

char *base64_encode(struct str bytes)
{
    char *text = mem_alloc(4 * ((bytes.len + 2) / 3) + 1);

    (void)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes.at, (int)bytes.len);
    return text;
}
