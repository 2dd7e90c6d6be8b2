/*
 * Who the client is and how it was addressed, by who says so (data-plane reference, 5.3).
 */

#include "requests.h"

#include "gateway/proxy/origin.h"

#define TRUSTING "trusted_ips = 10.0.0.0/8, 2001:db8::/32\n"

struct expected {
    const char *settings;
    const char *peer;
    const char *lines;
    const char *address; /* of the client */
};

static void expect_address(const struct expected *expected)
{
    char text[2048];
    struct origin origin;
    struct settings *settings = test_settings(expected->settings);
    (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\nHost: a.test\n%s", expected->lines);
    struct exchange *exchange = test_exchange(expected->peer, text);
    origin_read(exchange, settings, &origin);
    if (!str_equal(origin.address, str_of(expected->address)))
        fail_msg("'%.*s' instead of %s for peer %s with '%s'", STR_ARG(origin.address), expected->address,
                 expected->peer, expected->lines);
    exchange_recorder_free(exchange);
    settings_free(settings);
}

static void expect_addresses(const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_address(&expected[i]);
}

static void a_peer_that_is_not_trusted_is_the_client(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"", "10.0.0.1", "X-Real-IP: 6.6.6.6\nX-Forwarded-For: 6.6.6.6\n", "10.0.0.1"},
        {TRUSTING, "192.0.2.1", "X-Real-IP: 6.6.6.6\n", "192.0.2.1"},
        {TRUSTING, "11.0.0.1", "X-Real-IP: 6.6.6.6\n", "11.0.0.1"},
        {TRUSTING, "2001:db9::1", "X-Real-IP: 6.6.6.6\n", "2001:db9::1"},
        {TRUSTING "real_ip_header = X-Forwarded-For\nreal_ip_recursive = on\n", "192.0.2.1",
         "X-Forwarded-For: 6.6.6.6, 10.0.0.1\n", "192.0.2.1"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void a_trusted_peer_says_who_the_client_is(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {TRUSTING, "10.0.0.1", "x-real-ip: 203.0.113.9\n", "203.0.113.9"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: 2001:db8::5\n", "2001:db8::5"},
        {TRUSTING, "2001:db8::1", "X-Real-IP: 203.0.113.9\n", "203.0.113.9"},
        {TRUSTING, "10.0.0.1", "", "10.0.0.1"},
        {TRUSTING, "10.0.0.1", "X-Forwarded-For: 203.0.113.9\n", "10.0.0.1"}, /* another header was named */
        {"trusted_ips = 0.0.0.0/0\n", "192.0.2.1", "X-Real-IP: 203.0.113.9\n", "203.0.113.9"},
        {TRUSTING "real_ip_header = X-Forwarded-For\n", "10.0.0.1",
         "X-Real-IP: 6.6.6.6\nX-Forwarded-For: 203.0.113.9\n", "203.0.113.9"},
        {TRUSTING "real_ip_header = CF-Connecting-IP\n", "10.0.0.1", "Cf-Connecting-Ip: 203.0.113.9\n",
         "203.0.113.9"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void an_address_may_carry_a_port_or_brackets(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {TRUSTING, "10.0.0.1", "X-Real-IP: 203.0.113.9:5000\n", "203.0.113.9"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: [2001:db8::5]:5000\n", "2001:db8::5"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: [2001:db8::5]\n", "2001:db8::5"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: ::1\n", "::1"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: \t 203.0.113.9 \t\n", "203.0.113.9"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void what_is_no_address_is_not_believed(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {TRUSTING, "10.0.0.1", "X-Real-IP: unknown\n", "10.0.0.1"},
        {TRUSTING, "10.0.0.1", "X-Real-IP:\n", "10.0.0.1"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: , ,\n", "10.0.0.1"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: 203.0.113.9, unknown\n", "10.0.0.1"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: [2001:db8::5\n", "10.0.0.1"},
        {TRUSTING, "10.0.0.1", "X-Real-IP: 203.0.113.9/32\n", "10.0.0.1"},
        {TRUSTING "real_ip_recursive = on\nreal_ip_header = X-Forwarded-For\n", "10.0.0.1",
         "X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.2\n", "10.0.0.2"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void of_a_list_the_last_address_counts(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {TRUSTING "real_ip_header = X-Forwarded-For\n", "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 203.0.113.9\n",
         "203.0.113.9"},
        {TRUSTING "real_ip_header = X-Forwarded-For\n", "10.0.0.1", "X-Forwarded-For: 6.6.6.6,10.0.0.2\n",
         "10.0.0.2"},
        {TRUSTING "real_ip_header = X-Forwarded-For\n", "10.0.0.1",
         "X-Forwarded-For: 6.6.6.6, 203.0.113.9, ,\n", "203.0.113.9"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void recursively_the_first_from_the_right_that_is_not_ours(void **state)
{
    (void)state;
#define RECURSIVE TRUSTING "real_ip_header = X-Forwarded-For\nreal_ip_recursive = on\n"
    static const struct expected cases[] = {
        {RECURSIVE, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.3, 10.0.0.2\n", "203.0.113.9"},
        {RECURSIVE, "10.0.0.1", "X-Forwarded-For: 10.0.0.4, 10.0.0.3\n",
         "10.0.0.4"}, /* all ours: the first */
        {RECURSIVE, "10.0.0.1", "X-Forwarded-For: 203.0.113.9\n", "203.0.113.9"},
        {RECURSIVE, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 203.0.113.9, ::ffff:10.0.0.3\n", "203.0.113.9"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void several_lines_are_one_list(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {TRUSTING "real_ip_header = X-Forwarded-For\n", "10.0.0.1",
         "X-Forwarded-For: 6.6.6.6\nX-Other: 1\nX-Forwarded-For: 203.0.113.9\n", "203.0.113.9"},
        {RECURSIVE, "10.0.0.1",
         "X-Forwarded-For: 6.6.6.6, 203.0.113.9\nx-forwarded-for: 10.0.0.3\nX-Forwarded-For: 10.0.0.2\n",
         "203.0.113.9"},
        {RECURSIVE, "10.0.0.1", "X-Forwarded-For: 6.6.6.6\nX-Forwarded-For:\nX-Forwarded-For: 10.0.0.2\n",
         "6.6.6.6"},
        {RECURSIVE, "10.0.0.1", "X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: unknown\n", "10.0.0.1"},
    };
    expect_addresses(cases, COUNT(cases));
}

static void with_proxy_protocol_the_peer_is_the_client_already(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {TRUSTING "real_ip_header = proxy_protocol\n", "10.0.0.1",
         "X-Real-IP: 6.6.6.6\nproxy_protocol: 6.6.6.6\n", "10.0.0.1"},
    };
    expect_addresses(cases, COUNT(cases));
}

/* ---- scheme and host ---- */

static void expect_origin(const char *settings_text, const char *text, const char *scheme, const char *host)
{
    struct origin origin;
    struct settings *settings = test_settings(settings_text);
    struct exchange *exchange = test_exchange("10.0.0.1", text);
    exchange_request(exchange)->local_address = STR("10.0.0.9");
    origin_read(exchange, settings, &origin);
    assert_int_equal(origin.trusted, settings_text[0] != '\0');
    expect_str(origin.scheme, scheme);
    expect_str(origin_host(exchange, &origin), host);
    exchange_recorder_free(exchange);
    settings_free(settings);
}

static void scheme_and_host_are_the_connections(void **state)
{
    (void)state;
    expect_origin("", "GET / HTTP/1.1\nHost: A.Test:8000\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil\n",
                  "http", "a.test");
    expect_origin("", "GET / HTTP/1.1\nHost: a.test\n", "http", "a.test");
    expect_origin("", "GET / HTTP/1.0\n", "http", "10.0.0.9");
    expect_origin(TRUSTING, "GET / HTTP/1.1\nHost: A.Test:8000\n", "http", "a.test");
}

static void a_trusted_peer_says_scheme_and_host(void **state)
{
    (void)state;
    expect_origin(TRUSTING,
                  "GET / HTTP/1.1\nHost: a.test\nX-Forwarded-Proto: https\nX-Forwarded-Host: Shop.Test\n",
                  "https", "Shop.Test");
    expect_origin(TRUSTING, "GET / HTTP/1.1\nHost: a.test\nX-Forwarded-Host: shop.test:8443\n", "http",
                  "shop.test");
    expect_origin(TRUSTING, "GET / HTTP/1.0\nX-Forwarded-Host: shop.test\n", "http", "shop.test");
}

static void a_tls_connection_is_https(void **state)
{
    (void)state;
    struct origin origin;
    struct settings *settings = test_settings("");
    struct exchange *exchange = test_exchange("10.0.0.1", "GET / HTTP/1.1\nX-Forwarded-Proto: http\n");
    exchange_request(exchange)->tls = true;
    origin_read(exchange, settings, &origin);
    expect_str(origin.scheme, "https");
    exchange_recorder_free(exchange);
    settings_free(settings);
}

static void an_authority_loses_its_port(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *host;
    } cases[] = {
        {"a.test", "a.test"},
        {"a.test:80", "a.test"},
        {"a.test:", "a.test"},
        {"[::1]", "[::1]"},
        {"[::1]:80", "[::1]"},
        {"1.2.3.4:5", "1.2.3.4"},
        {"123", "123"},
        {":80", ""},
        {"a.test:8o", "a.test:8o"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_str(origin_host_of(str_of(cases[i].authority)), cases[i].host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_is_not_trusted_is_the_client),
        cmocka_unit_test(a_trusted_peer_says_who_the_client_is),
        cmocka_unit_test(an_address_may_carry_a_port_or_brackets),
        cmocka_unit_test(what_is_no_address_is_not_believed),
        cmocka_unit_test(of_a_list_the_last_address_counts),
        cmocka_unit_test(recursively_the_first_from_the_right_that_is_not_ours),
        cmocka_unit_test(several_lines_are_one_list),
        cmocka_unit_test(with_proxy_protocol_the_peer_is_the_client_already),
        cmocka_unit_test(scheme_and_host_are_the_connections),
        cmocka_unit_test(a_trusted_peer_says_scheme_and_host),
        cmocka_unit_test(a_tls_connection_is_https),
        cmocka_unit_test(an_authority_loses_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
