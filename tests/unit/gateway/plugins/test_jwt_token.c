/*
 * Tokens without a gateway: the examples of RFC 7515 (appendix A), what each algorithm refuses, and what of a
 * text is a token.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/base64.h"
#include "gateway/plugins/jwt_signature.h"
#include "gateway/plugins/jwt_token.h"

/* A.1 and A.3 sign the same claims. */
#define CLAIMS                                                                                               \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define HS256                                                                                                \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define ES256                                                                                                \
    "eyJhbGciOiJFUzI1NiJ9." CLAIMS                                                                           \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

static const char hs256_key[] =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
static const char es256_key[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
                                "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
                                "-----END PUBLIC KEY-----\n";

static struct exchange *exchange;
static struct jwt_token token;

static int setup(void **state)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};
    (void)state;

    exchange = exchange_recorder_new(NULL, &request);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exchange_recorder_free(exchange);
    return 0;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(key);
    return key;
}

static enum jwt_verdict verdict(const char *text, const char *algorithm, const struct jwt_verifier *verifier)
{
    assert_null(jwt_token_parse(exchange, str_of(text), &token));
    enum jwt_verdict found = jwt_signature_check(jwt_algorithm_find(str_of(algorithm)), verifier,
                                                 token.signed_text, token.signature);
    jwt_token_fini(&token);
    return found;
}

static void the_examples_of_the_standard_are_genuine(void **state)
{
    EVP_PKEY *key = read_key(es256_key);
    const struct jwt_verifier secret = {.secret = base64_decode(exchange, str_of(hs256_key))};
    const struct jwt_verifier public_key = {.public_key = key};
    (void)state;

    assert_int_equal(verdict(HS256, "HS256", &secret), JWT_GENUINE);
    assert_int_equal(verdict(ES256, "ES256", &public_key), JWT_GENUINE);
    EVP_PKEY_free(key);
}

static void each_algorithm_takes_its_own_key_only(void **state)
{
    EVP_PKEY *key = read_key(es256_key);
    const struct jwt_verifier secret = {.secret = base64_decode(exchange, str_of(hs256_key))};
    const struct jwt_verifier public_key = {.public_key = key};
    const struct jwt_verifier empty = {.secret = STR("")};
    (void)state;

    assert_int_equal(verdict(HS256, "HS512", &secret), JWT_FORGED);
    assert_int_equal(verdict(HS256, "HS256", &public_key), JWT_NO_KEY);
    assert_int_equal(verdict(HS256, "HS256", &empty), JWT_NO_KEY);
    assert_int_equal(verdict(ES256, "ES256", &secret), JWT_NO_KEY);
    assert_int_equal(verdict(ES256, "ES384", &public_key), JWT_NO_KEY);
    assert_int_equal(verdict(ES256, "RS256", &public_key), JWT_NO_KEY);
    assert_int_equal(verdict(HS256, "ES256", &public_key), JWT_FORGED);
    EVP_PKEY_free(key);
}

static void only_algorithms_of_the_reference_have_a_name(void **state)
{
    static const char *const others[] = {"none",  "HS1",    "hs256", "PS256", "ES512",
                                         "EdDSA", "ES256K", "",      "HS256 "};
    (void)state;

    for (size_t i = 0; i < COUNT(others); i++)
        assert_null(jwt_algorithm_find(str_of(others[i])));
    assert_null(jwt_algorithm_find(STR_NONE));
}

static void of_members_that_are_there_twice_the_last_one_counts(void **state)
{
    (void)state; /* {"alg":"none","alg":"HS256"} . {"iss":"a","iss":"b"} */
    assert_null(jwt_token_parse(
        exchange, STR("eyJhbGciOiJub25lIiwiYWxnIjoiSFMyNTYifQ.eyJpc3MiOiJhIiwiaXNzIjoiYiJ9.eA"), &token));
    assert_true(str_equal(token.algorithm, STR("HS256")));
    assert_true(str_equal(jwt_token_key(&token, "iss"), STR("b")));
    jwt_token_fini(&token);
}

static void a_claim_about_time_holds_at_its_very_second(void **state)
{
    static const struct {
        unsigned claims;
        double maximum_s;
        int64_t now_s;
        const char *body; /* NULL: it is time */
    } cases[] = {
        {JWT_EXP, 0, 1300819379, NULL},
        {JWT_EXP, 0, 1300819380, "{\"exp\":\"token expired\"}"},
        {JWT_NBF, 0, 1300819379, "{\"nbf\":\"must be a number\"}"},
        {JWT_EXP | JWT_NBF, 0, 1300819380, "{\"exp\":\"token expired\",\"nbf\":\"must be a number\"}"},
        {JWT_EXP, 60, 1300819320, NULL},
        {JWT_EXP, 60, 1300819319, "{\"exp\":\"exceeds maximum allowed expiration\"}"},
        {0, 0, 1400000000, NULL},
    };
    (void)state;

    assert_null(jwt_token_parse(exchange, STR(HS256), &token)); /* exp 1300819380 */
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct jwt_demands demands = {cases[i].claims, cases[i].maximum_s};
        struct str body = jwt_token_untimely(exchange, &token, &demands, cases[i].now_s);
        if (cases[i].body == NULL)
            assert_null(body.at);
        else
            assert_true(str_equal(body, str_of(cases[i].body)));
    }
    jwt_token_fini(&token);
}

static void base64_in_either_alphabet(void **state)
{
    static const struct {
        const char *text;
        struct str bytes; /* at == NULL: it is none */
    } cases[] = {{"", {"", 0}},
                 {"Zg", {"f", 1}},
                 {"Zg==", {"f", 1}},
                 {"Zm8", {"fo", 2}},
                 {"Zm8=", {"fo", 2}},
                 {"Zm9v", {"foo", 3}},
                 {"-_-_", {"\xfb\xff\xbf", 3}},
                 {"+/+/", {"\xfb\xff\xbf", 3}},
                 {"AA", {"\0", 1}},
                 {"Z", {NULL, 0}},
                 {"Zg=", {NULL, 0}},
                 {"Zm9vZ", {NULL, 0}},
                 {"=", {NULL, 0}},
                 {"====", {NULL, 0}},
                 {"Z g=", {NULL, 0}},
                 {"Zm=v", {NULL, 0}},
                 {"Zm9v\n", {NULL, 0}}};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str bytes = base64_decode(exchange, str_of(cases[i].text));
        if ((bytes.at == NULL) != (cases[i].bytes.at == NULL) || !str_equal(bytes, cases[i].bytes))
            fail_msg("'%s'", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_examples_of_the_standard_are_genuine, setup, teardown),
        cmocka_unit_test_setup_teardown(each_algorithm_takes_its_own_key_only, setup, teardown),
        cmocka_unit_test_setup_teardown(only_algorithms_of_the_reference_have_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(of_members_that_are_there_twice_the_last_one_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_claim_about_time_holds_at_its_very_second, setup, teardown),
        cmocka_unit_test_setup_teardown(base64_in_either_alphabet, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
