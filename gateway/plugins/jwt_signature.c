/*
 * jwt_signature - see jwt_signature.h.
 *
 * Own code over OpenSSL, which is here anyway: libjwt parses a token and its key anew for every check, and
 * takes whatever algorithm the token names unless it is watched.
 */

#include "gateway/plugins/jwt_signature.h"

#include <stdint.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
    EC_INTEGER_MAX = 48, /* P-384 */
    EC_DER_MAX = 2 * EC_INTEGER_MAX + 16
};

struct jwt_algorithm {
    struct str name;
    enum jwt_verdict (*check)(const struct jwt_algorithm *algorithm, const struct jwt_verifier *verifier,
                              struct str text, struct str signature);
    const EVP_MD *(*digest)(void);
    int curve_bits; /* of the only curve that goes with it */
};

static enum jwt_verdict check_hmac(const struct jwt_algorithm *algorithm, const struct jwt_verifier *verifier,
                                   struct str text, struct str signature)
{
    unsigned char wanted[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (verifier->secret.len == 0) /* with it anybody could sign */
        return JWT_NO_KEY;
    if (HMAC(algorithm->digest(), verifier->secret.at, (int)verifier->secret.len,
             (const unsigned char *)text.at, text.len, wanted, &size) == NULL)
        return JWT_NO_KEY;
    bool same = signature.len == size && CRYPTO_memcmp(signature.at, wanted, size) == 0;
    return same ? JWT_GENUINE : JWT_FORGED;
}

static enum jwt_verdict check_with_key(const struct jwt_algorithm *algorithm, EVP_PKEY *key, struct str text,
                                       struct str signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestVerifyInit(context, NULL, algorithm->digest(), NULL, key) == 1 &&
                EVP_DigestVerify(context, (const unsigned char *)signature.at, signature.len,
                                 (const unsigned char *)text.at, text.len) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good ? JWT_GENUINE : JWT_FORGED;
}

static enum jwt_verdict check_rsa(const struct jwt_algorithm *algorithm, const struct jwt_verifier *verifier,
                                  struct str text, struct str signature)
{
    EVP_PKEY *key = verifier->public_key;

    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        return JWT_NO_KEY;
    return check_with_key(algorithm, key, text, signature);
}

/* Two numbers of fixed size (RFC 7518, section 3.4) as OpenSSL wants them; 0: too little memory. */
static size_t make_der(struct str signature, unsigned char der[EC_DER_MAX])
{
    const unsigned char *bytes = (const unsigned char *)signature.at;
    int half = (int)(signature.len / 2);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, half, NULL);
    BIGNUM *s = BN_bin2bn(bytes + half, half, NULL);
    unsigned char *end = der;

    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return 0;
    }
    int size = i2d_ECDSA_SIG(pair, &end);
    ECDSA_SIG_free(pair);
    return size > 0 ? (size_t)size : 0;
}

static enum jwt_verdict check_ecdsa(const struct jwt_algorithm *algorithm,
                                    const struct jwt_verifier *verifier, struct str text,
                                    struct str signature)
{
    unsigned char der[EC_DER_MAX];
    EVP_PKEY *key = verifier->public_key;

    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_bits(key) != algorithm->curve_bits)
        return JWT_NO_KEY;
    if (signature.len != (size_t)algorithm->curve_bits / 8 * 2)
        return JWT_FORGED;
    size_t size = make_der(signature, der);
    return check_with_key(algorithm, key, text, (struct str){(const char *)der, size});
}

static const struct jwt_algorithm algorithms[] = {
    {{"HS256", 5}, check_hmac, EVP_sha256, 0},    {{"HS384", 5}, check_hmac, EVP_sha384, 0},
    {{"HS512", 5}, check_hmac, EVP_sha512, 0},    {{"RS256", 5}, check_rsa, EVP_sha256, 0},
    {{"RS384", 5}, check_rsa, EVP_sha384, 0},     {{"RS512", 5}, check_rsa, EVP_sha512, 0},
    {{"ES256", 5}, check_ecdsa, EVP_sha256, 256}, {{"ES384", 5}, check_ecdsa, EVP_sha384, 384},
};

const struct jwt_algorithm *jwt_algorithm_find(struct str name)
{
    for (size_t i = 0; i < COUNT(algorithms); i++)
        if (str_equal(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

enum jwt_verdict jwt_signature_check(const struct jwt_algorithm *algorithm,
                                     const struct jwt_verifier *verifier, struct str text,
                                     struct str signature)
{
    return algorithm->check(algorithm, verifier, text, signature);
}
