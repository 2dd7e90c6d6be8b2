/*
 * jwk - the members of a key become parameters from which OpenSSL makes a key, and it says whether it can.
 */

#include "gateway/model/jwk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"

enum {
    NUMBERS_MAX = 8,
    BYTES_MAX = 4096 /* of one number: keys of 32768 bits */
};

/* The bytes of base64url without padding (RFC 4648, 5); SIZE_MAX: it is none. */
static size_t decode(const char *text, unsigned char bytes[BYTES_MAX])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t length = 0;

    for (; *text != '\0'; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL || length == BYTES_MAX)
            return SIZE_MAX;
        bits = (bits << 6 | (uint32_t)(digit - digits)) & 0xffff;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        bytes[length++] = (unsigned char)(bits >> bit_count & 0xff);
    }
    return length;
}

static size_t decode_member(const cJSON *jwk, const char *name, unsigned char bytes[BYTES_MAX])
{
    const char *text = document_text(jwk, name);

    return text != NULL && text[0] != '\0' ? decode(text, bytes) : SIZE_MAX;
}

/* What a key is made of; OpenSSL reads the numbers when the parameters are built. */
struct parts {
    OSSL_PARAM_BLD *builder;
    BIGNUM *numbers[NUMBERS_MAX];
    size_t count;
    bool is_private;
};

/* true: put in, or not there. */
static bool add_number(struct parts *parts, const cJSON *jwk, const char *member, const char *parameter)
{
    unsigned char bytes[BYTES_MAX];

    if (cJSON_GetObjectItemCaseSensitive(jwk, member) == NULL)
        return true;
    size_t length = decode_member(jwk, member, bytes);
    if (length == SIZE_MAX || parts->count == NUMBERS_MAX)
        return false;
    BIGNUM *number = BN_bin2bn(bytes, (int)length, NULL);
    parts->numbers[parts->count++] = number;
    return OSSL_PARAM_BLD_push_BN(parts->builder, parameter, number) == 1;
}

static bool add_rsa(struct parts *parts, const cJSON *jwk)
{
    static const char *const rows[][2] = {
        {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
        {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    };
    bool ok = document_text(jwk, "n") != NULL && document_text(jwk, "e") != NULL;

    for (size_t i = 0; i < COUNT(rows) && ok; i++)
        ok = add_number(parts, jwk, rows[i][0], rows[i][1]);
    return ok;
}

/* The uncompressed point: 4, then x and y in full length (SEC 1, 2.3.3). */
static bool add_point(struct parts *parts, const cJSON *jwk, size_t width)
{
    unsigned char x[BYTES_MAX];
    unsigned char y[BYTES_MAX];
    unsigned char point[1 + 2 * 66] = {4};
    size_t x_length = decode_member(jwk, "x", x);
    size_t y_length = decode_member(jwk, "y", y);

    if (x_length > width || y_length > width)
        return false;
    memcpy(point + 1 + width - x_length, x, x_length);
    memcpy(point + 1 + 2 * width - y_length, y, y_length);
    return OSSL_PARAM_BLD_push_octet_string(parts->builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * width) ==
           1;
}

static bool add_ec(struct parts *parts, const cJSON *jwk)
{
    static const struct {
        const char *name;
        size_t width; /* bytes of a coordinate */
    } curves[] = {{"P-256", 32}, {"P-384", 48}, {"P-521", 66}};
    const char *name = document_text(jwk, "crv");

    for (size_t i = 0; i < COUNT(curves) && name != NULL; i++)
        if (strcmp(curves[i].name, name) == 0)
            return OSSL_PARAM_BLD_push_utf8_string(parts->builder, OSSL_PKEY_PARAM_GROUP_NAME, name, 0) ==
                       1 &&
                   add_point(parts, jwk, curves[i].width) &&
                   add_number(parts, jwk, "d", OSSL_PKEY_PARAM_PRIV_KEY);
    return false;
}

static bool is_made(const char *type, struct parts *parts)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts->builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    int selection = parts->is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    bool ok = params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
              EVP_PKEY_fromdata(context, &key, selection, params) == 1;

    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return ok;
}

static bool is_built(const char *type, bool (*add)(struct parts *parts, const cJSON *jwk), const cJSON *jwk)
{
    struct parts parts = {.builder = OSSL_PARAM_BLD_new(),
                          .is_private = cJSON_GetObjectItemCaseSensitive(jwk, "d") != NULL};
    bool ok = add(&parts, jwk) && is_made(type, &parts);

    OSSL_PARAM_BLD_free(parts.builder);
    for (size_t i = 0; i < parts.count; i++)
        BN_clear_free(parts.numbers[i]);
    return ok;
}

/* Edwards and Montgomery curves (RFC 8037): their bytes are the key. */
static bool is_octet_pair(const cJSON *jwk)
{
    static const char *const curves[] = {"ED25519", "ED448", "X25519", "X448"};
    const char *name = document_text(jwk, "crv");
    bool is_private = cJSON_GetObjectItemCaseSensitive(jwk, "d") != NULL;
    unsigned char bytes[BYTES_MAX];
    size_t length = decode_member(jwk, is_private ? "d" : "x", bytes);
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < COUNT(curves) && name != NULL && length != SIZE_MAX; i++)
        if (strcasecmp(curves[i], name) == 0)
            key = is_private ? EVP_PKEY_new_raw_private_key_ex(NULL, curves[i], NULL, bytes, length)
                             : EVP_PKEY_new_raw_public_key_ex(NULL, curves[i], NULL, bytes, length);
    EVP_PKEY_free(key);
    return key != NULL;
}

bool jwk_is_key(const cJSON *jwk)
{
    const char *type = document_text(jwk, "kty");
    bool ok = false;

    if (type != NULL && strcmp(type, "RSA") == 0)
        ok = is_built("RSA", add_rsa, jwk);
    else if (type != NULL && strcmp(type, "EC") == 0)
        ok = is_built("EC", add_ec, jwk);
    else if (type != NULL && strcmp(type, "OKP") == 0)
        ok = is_octet_pair(jwk);
    ERR_clear_error();
    return ok;
}
