/*
 * Certificates and their names: pairs that fit and that do not, references to secrets, wildcards.
 */

#include "pems.h"

static void run_pairs(const char *const pairs[][2], const char *fields)
{
    char *body = pem_body(pairs);
    const struct body_case one = {body, fields, NULL};
    run_case(NULL, &certificate_schema, DOCUMENT_CREATE, &one);
    free(body);
}

#define RSA                                                                                                  \
    {"cert", "rsa.crt"},                                                                                     \
    {                                                                                                        \
        "key", "rsa.key"                                                                                     \
    }
#define END                                                                                                  \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }
#define RUN(fields, ...)                                                                                     \
    do {                                                                                                     \
        const char *const pairs[][2] = {__VA_ARGS__, END};                                                   \
        run_pairs(pairs, fields);                                                                            \
    } while (0)

static void pairs_fit(void **state)
{
    (void)state;
    RUN(NULL, RSA);
    RUN(NULL, RSA, {"cert_alt", "ecdsa.crt"}, {"key_alt", "ecdsa.key"});
    RUN(NULL, {"cert", "ecdsa.crt"}, {"key", "ecdsa.key"}, {"cert_alt", "rsa.crt"}, {"key_alt", "rsa.key"});
    RUN(NULL, {"cert", "rsa.crt"}, {"key", "{vault://env/key}"});
    RUN(NULL, RSA, {"cert_alt", "{vault://env/cert}"}, {"key_alt", "other.key"});
}

static void pairs_that_do_not_fit_are_told(void **state)
{
    (void)state;
    RUN("{\"key\":\"required field missing\"}", {"cert", "rsa.crt"});
    RUN("{\"@entity\":[\"certificate does not match key\"]}", {"cert", "rsa.crt"}, {"key", "other.key"});
    RUN("{\"@entity\":[\"all or none of these fields must be set: 'cert_alt', 'key_alt'\"]}", RSA,
        {"cert_alt", "ecdsa.crt"});
    RUN("{\"@entity\":[\"alternative certificate does not match key\"]}", RSA, {"cert_alt", "ecdsa.crt"},
        {"key_alt", "second.key"});
    RUN("{\"@entity\":[\"certificate and alternative certificate need to have different type (e.g. RSA and "
        "ECDSA), the provided certificates were both of the same type\"]}",
        RSA, {"cert_alt", "other.crt"}, {"key_alt", "other.key"});
}

static void names_may_have_one_wildcard_at_an_end(void **state)
{
    static const struct {
        const char *name, *wrong;
    } rows[] = {
        {"a.test", NULL},
        {"*.a.test", NULL},
        {"a.*", NULL},
        {"*", NULL},
        {"a.*.test", "wildcard must be leftmost or rightmost character"},
        {"*.*", "only one wildcard must be specified"},
        {"*.a.*", "only one wildcard must be specified"},
        {"*a.test", "invalid value: *a.test"},
        {"a*", "invalid value: a*"},
        {"*.", "invalid value: *."},
        {".*", "invalid value: .*"},
        {"*.a b", "invalid value: *.a b"},
        {"*.a:1", "must not have a port"},
        {"1.2.3.4", "must not be an IP"},
        {"a.test:1", "must not have a port"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char body[256];
        char fields[256];
        (void)snprintf(body, sizeof(body),
                       "{\"name\":\"%s\",\"certificate\":{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}}",
                       rows[i].name);
        (void)snprintf(fields, sizeof(fields), "{\"name\":\"%s\"}",
                       rows[i].wrong != NULL ? rows[i].wrong : "");
        const struct body_case one = {body, rows[i].wrong != NULL ? fields : NULL, NULL};
        run_case(NULL, &sni_schema, DOCUMENT_CREATE, &one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_fit),
        cmocka_unit_test(pairs_that_do_not_fit_are_told),
        cmocka_unit_test(names_may_have_one_wildcard_at_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
