/*
 * Where a service is, and what it is called there (data-plane reference, 5.4 and 6.2).
 */

#include "requests.h"

#include <arpa/inet.h>

#include "gateway/dns/resolver.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/hop.h"

static struct service service_at(unsigned protocol, char *host, int port)
{
    return (struct service){.protocol = protocol, .host = host, .port = port, .tls_verify_depth = -1};
}

static void expect_host(unsigned protocol, char *host, int port, const char *wanted)
{
    const struct service service = service_at(protocol, host, port);
    struct hop hop;
    hop_init(&hop, &service);
    expect_str(hop.host, wanted);
    hop_fini(&hop);
}

static void the_host_names_a_port_that_is_not_the_usual_one(void **state)
{
    (void)state;
    expect_host(PROTOCOL_HTTP, (char[]){"up.test"}, 80, "up.test");
    expect_host(PROTOCOL_HTTP, (char[]){"up.test"}, 443, "up.test:443");
    expect_host(PROTOCOL_HTTP, (char[]){"up.test"}, 8080, "up.test:8080");
    expect_host(PROTOCOL_HTTPS, (char[]){"up.test"}, 443, "up.test");
    expect_host(PROTOCOL_HTTPS, (char[]){"up.test"}, 80, "up.test:80");
    expect_host(PROTOCOL_HTTPS, (char[]){"10.0.0.1"}, 8443, "10.0.0.1:8443");
    expect_host(PROTOCOL_HTTP, (char[]){"10.0.0.1"}, 80, "10.0.0.1");
}

static void an_ipv6_literal_stands_in_brackets(void **state)
{
    (void)state;
    expect_host(PROTOCOL_HTTP, (char[]){"2001:db8::1"}, 80, "[2001:db8::1]");
    expect_host(PROTOCOL_HTTP, (char[]){"[2001:db8::1]"}, 80, "[2001:db8::1]");
    expect_host(PROTOCOL_HTTP, (char[]){"[2001:db8::1]"}, 8080, "[2001:db8::1]:8080");
    expect_host(PROTOCOL_HTTPS, (char[]){"::1"}, 443, "[::1]");
}

static void a_name_has_to_be_resolved(void **state)
{
    char name[] = "up.test";
    const struct service service = service_at(PROTOCOL_HTTPS, name, 8443);
    struct sockaddr_storage address;
    struct hop hop;
    (void)state;
    hop_init(&hop, &service);
    assert_true(hop.spoken && hop.tls && !hop.numeric);
    expect_str(hop.name, "up.test");
    expect_str(hop.client_tls.server_name, "up.test");

    const struct sockaddr_in found = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
    struct resolver_address any = {.port = 0};
    memcpy(&any.at, &found, sizeof(found));
    assert_int_equal(hop_resolved(&hop, &any, &address), sizeof(struct sockaddr_in));
    assert_int_equal(ntohs(((struct sockaddr_in *)(void *)&address)->sin_port), 8443);
    assert_int_equal(ntohl(((struct sockaddr_in *)(void *)&address)->sin_addr.s_addr), 0x0a000001);

    const struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    any.port = 9; /* an SRV record's */
    memcpy(&any.at, &six, sizeof(six));
    assert_int_equal(hop_resolved(&hop, &any, &address), sizeof(struct sockaddr_in6));
    assert_int_equal(ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port), 9);
    hop_fini(&hop);
}

static void a_number_is_an_address_already(void **state)
{
    char four[] = "10.1.2.3", six[] = "[2001:db8::1]";
    struct service service = service_at(PROTOCOL_HTTP, four, 8080);
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];
    struct hop hop;
    (void)state;
    hop_init(&hop, &service);
    assert_true(hop.numeric && hop.spoken && !hop.tls);
    assert_null(hop.client_tls.server_name.at); /* a literal is no server name (RFC 6066, section 3) */
    assert_int_equal(hop_address(&hop, &address), sizeof(struct sockaddr_in));
    const struct sockaddr_in *in = (const void *)&address;
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(ntohs(in->sin_port), 8080);
    assert_string_equal(inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), "10.1.2.3");
    hop_fini(&hop);

    service = service_at(PROTOCOL_HTTPS, six, 443);
    hop_init(&hop, &service);
    assert_true(hop.numeric && hop.tls);
    assert_null(hop.client_tls.server_name.at);
    assert_int_equal(hop_address(&hop, &address), sizeof(struct sockaddr_in6));
    const struct sockaddr_in6 *in6 = (const void *)&address;
    assert_int_equal(ntohs(in6->sin6_port), 443);
    assert_string_equal(inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)), "2001:db8::1");
    hop_fini(&hop);
}

static void only_http_and_https_are_spoken(void **state)
{
    (void)state;
    for (unsigned protocol = PROTOCOL_HTTP; protocol <= PROTOCOL_TLS_PASSTHROUGH; protocol <<= 1) {
        char name[] = "up.test";
        const struct service service = service_at(protocol, name, 80);
        struct hop hop;
        hop_init(&hop, &service);
        assert_int_equal(hop.spoken, protocol == PROTOCOL_HTTP || protocol == PROTOCOL_HTTPS);
        assert_int_equal(hop.tls, protocol == PROTOCOL_HTTPS);
        hop_fini(&hop);
    }
}

static void a_certificate_is_checked_if_the_service_says_so(void **state)
{
    (void)state;
    static const struct {
        bool set, verify, expected;
        int depth, expected_depth;
    } cases[] = {
        {false, false, false, -1, 1}, {true, false, false, -1, 1}, {true, true, true, -1, 1},
        {true, true, true, 0, 0},     {true, true, true, 7, 7},    {false, true, false, -1, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[] = "up.test";
        struct service service = service_at(PROTOCOL_HTTPS, name, 443);
        struct hop hop;
        service.tls_verify_set = cases[i].set;
        service.tls_verify = cases[i].verify;
        service.tls_verify_depth = cases[i].depth;
        hop_init(&hop, &service);
        assert_int_equal(hop.client_tls.verify, cases[i].expected);
        assert_int_equal(hop.client_tls.verify_depth, cases[i].expected_depth);
        hop_fini(&hop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_names_a_port_that_is_not_the_usual_one),
        cmocka_unit_test(an_ipv6_literal_stands_in_brackets),
        cmocka_unit_test(a_name_has_to_be_resolved),
        cmocka_unit_test(a_number_is_an_address_already),
        cmocka_unit_test(only_http_and_https_are_spoken),
        cmocka_unit_test(a_certificate_is_checked_if_the_service_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
