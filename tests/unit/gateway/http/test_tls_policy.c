/*
 * Versions, ciphers and names in a ClientHello, without a connection.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "gateway/base/mem.h"
#include "gateway/http/tls.h"
#include "gateway/http/tls_policy.h"

static void words_are_versions_without_a_gap(void **state)
{
    static const struct {
        const char *words;
        int lowest, highest; /* 0: refused */
    } cases[] = {
        {"TLSv1.2 TLSv1.3", TLS1_2_VERSION, TLS1_3_VERSION},
        {"TLSv1.3 TLSv1.2", TLS1_2_VERSION, TLS1_3_VERSION},
        {" TLSv1.3 ", TLS1_3_VERSION, TLS1_3_VERSION},
        {"TLSv1,TLSv1.1,TLSv1.2", TLS1_VERSION, TLS1_2_VERSION},
        {"TLSv1.1 TLSv1.3", 0, 0},
        {"SSLv3 TLSv1", 0, 0},
        {"tlsv1.2", 0, 0},
        {"", 0, 0},
        {" , ", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int lowest = 0;
        int highest = 0;
        struct err err;

        assert_int_equal(tls_policy_versions(cases[i].words, &lowest, &highest, &err), cases[i].lowest != 0);
        assert_int_equal(lowest, cases[i].lowest);
        assert_int_equal(highest, cases[i].highest);
    }
}

static const char *fault(const struct tls_policy *policy)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    const char *setting = "?";
    struct err err;
    bool ok = tls_policy_apply(policy, tls, &setting, &err);

    SSL_CTX_free(tls);
    return ok ? NULL : setting;
}

static void what_is_wrong_has_a_name(void **state)
{
    (void)state;
    assert_null(fault(&(struct tls_policy){.suite = NULL}));
    assert_null(fault(&(struct tls_policy){.suite = "modern"}));
    assert_null(fault(&(struct tls_policy){.suite = "old"}));
    assert_null(fault(&(struct tls_policy){.suite = "custom", .dhparam = "ffdhe3072"}));
    assert_string_equal(fault(&(struct tls_policy){.suite = "fips"}), "ssl_cipher_suite");
    assert_string_equal(fault(&(struct tls_policy){.suite = "custom", .ciphers = "x"}), "ssl_ciphers");
    assert_string_equal(fault(&(struct tls_policy){.suite = "custom", .protocols = "x"}), "ssl_protocols");
    assert_string_equal(fault(&(struct tls_policy){.dhparam = "ffdhe1"}), "ssl_dhparam");
    assert_string_equal(fault(&(struct tls_policy){.dhparam = "/nowhere"}), "ssl_dhparam");
    /* Without custom they do not count (data-plane reference, 11.5). */
    assert_null(fault(&(struct tls_policy){.ciphers = "x", .protocols = "x"}));
}

static void a_suite_decides_about_versions(void **state)
{
    static const struct {
        const char *suite;
        int lowest;
    } cases[] = {{NULL, TLS1_2_VERSION}, {"modern", TLS1_3_VERSION}, {"old", TLS1_VERSION}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
        const char *setting;
        struct err err;

        assert_true(tls_policy_apply(&(struct tls_policy){.suite = cases[i].suite}, tls, &setting, &err));
        assert_int_equal(SSL_CTX_get_min_proto_version(tls), cases[i].lowest);
        assert_int_equal(SSL_CTX_get_max_proto_version(tls), TLS1_3_VERSION);
        SSL_CTX_free(tls);
    }
}

#define NAME(text)                                                                                           \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

static void names_in_a_hello_are_hosts_or_nothing(void **state)
{
    static const struct {
        struct str extension;
        const char *name; /* NULL: none */
    } cases[] = {
        {NAME("\0\011\0\0\006Ab-c.d"), "ab-c.d"},
        {NAME("\0\x6\0\0\x3_.9"), "_.9"},
        {NAME("\0\x4\0\0\x2*."), NULL},
        {NAME("\0\005\0\0\003a\0b"), NULL},
        {NAME("\0\005\0\0\003a b"), NULL},
        {NAME("\0\005\0\0\003a\xc3\xa4"), NULL},
        {NAME("\0\005\001\0\003abc"), NULL}, /* not a host's */
        {NAME("\0\005\0\0\004abc"), NULL},   /* longer than there is */
        {NAME("\0\x3\0\0\0"), NULL},
        {NAME("\0\x3\0\0"), NULL},
        {NAME(""), NULL},
        {{NULL, 0}, NULL},
    };
    char to[TLS_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str name = tls_server_name(cases[i].extension, to);

        if (cases[i].name == NULL)
            assert_null(name.at);
        else
            assert_true(str_equal(name, str_of(cases[i].name)));
    }
}

static void the_longest_name_is_that_of_dns(void **state)
{
    char extension[5 + TLS_NAME_MAX + 1];
    char to[TLS_NAME_MAX + 1];

    (void)state;
    memset(extension, 'a', sizeof(extension));
    memcpy(extension, "\1\2\0\0\xfd", 5);
    assert_int_equal(tls_server_name((struct str){extension, 5 + TLS_NAME_MAX}, to).len, TLS_NAME_MAX);
    extension[4] = (char)0xfe;
    assert_null(tls_server_name((struct str){extension, sizeof(extension)}, to).at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_versions_without_a_gap),
        cmocka_unit_test(what_is_wrong_has_a_name),
        cmocka_unit_test(a_suite_decides_about_versions),
        cmocka_unit_test(names_in_a_hello_are_hosts_or_nothing),
        cmocka_unit_test(the_longest_name_is_that_of_dns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
