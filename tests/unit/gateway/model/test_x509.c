/*
 * What is read out of PEM texts and JSON Web Keys.
 */

#include "gateway/model/jwk.h"
#include "gateway/model/x509.h"
#include "pems.h"

static bool fits(const char *certificate, const char *key)
{
    char *a = pem(certificate);
    char *b = pem(key);
    bool yes = x509_key_fits(a, b);
    free(a);
    free(b);
    return yes;
}

static bool is_alike(const char *certificate, const char *other)
{
    char *a = pem(certificate);
    char *b = pem(other);
    bool yes = x509_has_same_kind_of_key(a, b);
    free(a);
    free(b);
    return yes;
}

static void keys_belong_to_certificates(void **state)
{
    (void)state;
    assert_true(fits("rsa.crt", "rsa.key"));
    assert_true(fits("ecdsa.crt", "ecdsa.key"));
    assert_false(fits("rsa.crt", "other.key"));
    assert_false(fits("rsa.crt", "ecdsa.key"));
    assert_false(fits("rsa.crt", "rsa.pub"));
    assert_false(fits("rsa.key", "rsa.key"));
    assert_true(is_alike("rsa.crt", "other.crt"));
    assert_true(is_alike("ecdsa.crt", "second.crt"));
    assert_false(is_alike("rsa.crt", "ecdsa.crt"));
}

static void texts_that_are_none_are_refused_with_a_reason(void **state)
{
    static const char *const texts[] = {"", "x", "-----BEGIN CERTIFICATE-----",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    char reason[X509_REASON_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_false(x509_certificate_is_valid(texts[i], reason));
        assert_true(strlen(reason) > 0);
        assert_false(x509_private_key_is_valid(texts[i], reason));
        assert_false(x509_public_key_is_valid(texts[i]));
    }
    char *certificate = pem("rsa.crt");
    assert_true(x509_certificate_is_valid(certificate, reason));
    assert_false(x509_private_key_is_valid(certificate, reason));
    free(certificate);
}

static void authorities_are_told_from_others(void **state)
{
    char *authority = pem("ca.crt");
    char *leaf = pem("rsa.crt");
    char *expired = pem("expired_ca.crt");
    char *both = mem_printf("%s%s", authority, leaf);
    char hex[X509_DIGEST_SIZE];
    (void)state;
    assert_true(x509_is_authority(authority));
    assert_true(x509_is_authority(expired));
    assert_false(x509_is_authority(leaf));
    assert_false(x509_has_expired(authority, bodies_now_us / 1000000));
    assert_true(x509_has_expired(expired, bodies_now_us / 1000000));
    assert_false(x509_has_expired(expired, 1590000000));
    assert_int_equal(x509_certificate_count(both), 2);
    assert_int_equal(x509_certificate_count(leaf), 1);
    assert_true(x509_digest(authority, hex));
    assert_int_equal(strlen(hex), 64);
    assert_false(x509_digest("x", hex));
    free(both);
    free(expired);
    free(leaf);
    free(authority);
}

/* The keys of RFC 7517, A.1 and RFC 8037, A.1. */
#define POINT                                                                                                \
    "\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":"                         \
    "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\""
#define OCTETS "\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""

static void json_web_keys_are_keys_or_not(void **state)
{
    static const struct {
        const char *jwk;
        bool good;
    } rows[] = {
        {"{\"kty\":\"EC\"," POINT "}", true},
        {"{\"kty\":\"EC\"," POINT ",\"d\":\"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE\"}", true},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}", false},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"}", false},
        {"{\"kty\":\"OKP\"," OCTETS "}", true},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", false},
        {"{\"kty\":\"OKP\",\"crv\":\"other\",\"x\":\"AAAA\"}", false},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":7}", false},
        {"{\"kty\":\"RSA\",\"n\":\"AQ.B\",\"e\":\"AQAB\"}", false},
        {"{\"kty\":\"oct\",\"k\":\"AQAB\"}", false},
        {"{}", false},
        {"[]", false},
        {"7", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cJSON *jwk = parse(rows[i].jwk);
        if (jwk_is_key(jwk) != rows[i].good)
            fail_msg("%s", rows[i].jwk);
        cJSON_Delete(jwk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_belong_to_certificates),
        cmocka_unit_test(texts_that_are_none_are_refused_with_a_reason),
        cmocka_unit_test(authorities_are_told_from_others),
        cmocka_unit_test(json_web_keys_are_keys_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
