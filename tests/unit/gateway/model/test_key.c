/*
 * Keys, sets of them, and authorities: every refusal of the Admin API reference (2.8, 2.12).
 */

#include "pems.h"

#define POINT                                                                                                \
    "\\\"kty\\\":\\\"EC\\\",\\\"crv\\\":\\\"P-256\\\",\\\"x\\\":"                                            \
    "\\\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\\\",\\\"y\\\":"                                         \
    "\\\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\\\""

static void what_is_a_key(void **state)
{
    static const struct body_case cases[] = {
        {"{\"kid\":\"k\",\"jwk\":\"{\\\"kid\\\":\\\"k\\\"," POINT "}\"}", NULL, NULL},
        {"{\"kid\":\"k\",\"jwk\":\"{vault://env/key}\"}", NULL, NULL},
        {"{\"kid\":\"k\",\"pem\":{\"public_key\":\"{vault://env/key}\"}}", NULL, NULL},
        {"{\"kid\":\"k\",\"jwk\":\"{\\\"kid\\\":\\\"other\\\"," POINT "}\"}",
         "{\"@entity\":[\"kid in jwk.kid must be equal to keys.kid\"]}", NULL},
        {"{\"kid\":\"k\",\"jwk\":\"{" POINT "}\"}",
         "{\"@entity\":[\"kid in jwk.kid must be equal to keys.kid\"]}", NULL},
        {"{\"kid\":\"k\",\"jwk\":\"{\\\"kid\\\":\\\"k\\\"}\"}",
         "{\"@entity\":[\"could not load JWK, likely not a valid key\"]}",
         "schema violation (could not load JWK, likely not a valid key)"},
        {"{\"kid\":\"k\",\"jwk\":\"{\"}", "{\"@entity\":[\"could not json decode jwk string\"]}", NULL},
        {"{\"kid\":\"k\",\"jwk\":{}}", "{\"jwk\":\"expected a string\"}", NULL},
        {"{\"kid\":\"k\"}",
         "{\"@entity\":[\"at least one of these fields must be non-empty: 'pem', 'jwk'\"]}", NULL},
        {"{\"kid\":\"k\",\"jwk\":\"{vault://env/key}\",\"pem\":{\"public_key\":\"{vault://env/key}\"}}",
         "{\"@entity\":[\"only one or none of these fields must be set: 'pem', 'jwk'\"]}", NULL},
        {"{\"kid\":\"k\",\"pem\":{\"public_key\":\"x\"}}", "{\"pem\":\"could not load public key\"}",
         "schema violation (pem: could not load public key)"},
        {"{\"kid\":\"k\",\"pem\":{\"public_key\":\"{vault://env/key}\",\"private_key\":\"x\"}}",
         "{\"pem\":\"could not load private key\"}", NULL},
        {"{\"kid\":\"k\",\"pem\":{\"public_key\":\"{vault://env/key}\",\"x\":1}}",
         "{\"pem\":{\"x\":\"unknown field\"}}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &key_schema, DOCUMENT_CREATE, &cases[i]);
    cJSON_Delete(accepted(NULL, &key_set_schema, "{}"));
    cJSON_Delete(accepted(NULL, &key_set_schema, "{\"name\":\"any thing/at all\"}"));
}

static void keep_key(void *arg, int lookup, struct str key)
{
    (void)lookup;
    buf_add_str(arg, key);
}

static void keys_of_the_cache_have_their_parts(void **state)
{
    static const char *const rows[][2] = {
        {"{\"kid\":\"k\",\"set\":null}", "keys:k:"},
        {"{\"kid\":\"k\",\"set\":{\"id\":\"7\"}}", "keys:k:7"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf buf = {0};
        cJSON *document = parse(rows[i][0]);
        key_schema.cache_keys(&key_schema, document, keep_key, &buf);
        buf_add_byte(&buf, '\0');
        assert_string_equal(buf.at, rows[i][1]);
        cJSON_Delete(document);
        buf_fini(&buf);
    }
}

static void run_authority(const char *file, const char *fields)
{
    const char *const pairs[][2] = {{"cert", file}, {NULL, NULL}};
    char *body = pem_body(pairs);
    const struct body_case one = {body, fields, NULL};
    run_case(NULL, &ca_certificate_schema, DOCUMENT_CREATE, &one);
    free(body);
}

static void what_is_an_authority(void **state)
{
    (void)state;
    run_authority("ca.crt", NULL);
    run_authority("rsa.crt",
                  "{\"@entity\":[\"certificate does not appear to be a CA because it is missing the "
                  "\\\"CA\\\" basic constraint\"]}");
    run_authority("expired_ca.crt",
                  "{\"@entity\":[\"certificate expired, \\\"Not After\\\" time is in the past\"]}");
    const char *const wrong[][2] = {{"cert", "ca.crt"}, {"cert_digest", "x"}, {NULL, NULL}};
    char *body = pem_body(wrong);
    cJSON *document = accepted(NULL, &ca_certificate_schema, body);
    assert_int_equal(strlen(document_text(document, "cert_digest")), 64);
    cJSON_Delete(document);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_key),
        cmocka_unit_test(keys_of_the_cache_have_their_parts),
        cmocka_unit_test(what_is_an_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
