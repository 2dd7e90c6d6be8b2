/*
 * Settings that are lists: every item is checked, all that is wrong is said at once, and "off" means
 * something only where it is offered.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/config/header_tokens.h"

static char path[] = "/tmp/freshet-test-lists-XXXXXX";

static bool load(const char *text, struct config **config, struct config_problems *problems)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return config_load(path, NULL, config, problems);
}

static struct config *accepted(const char *text)
{
    struct config *config = NULL;
    struct config_problems problems;
    if (!load(text, &config, &problems))
        fail_msg("%s: %s", problems.at[0].key, problems.at[0].reason);
    return config;
}

static void expect_reason(const char *text, const char *key, const char *reason)
{
    struct config *config = NULL;
    struct config_problems problems;
    if (load(text, &config, &problems))
        fail_msg("'%s' was accepted", text);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.at[0].key, key);
    assert_string_equal(problems.at[0].reason, reason);
    config_problems_fini(&problems);
}

static void every_list_is_reported_with_all_its_bad_items(void **state)
{
    (void)state;
    static const struct {
        const char *key, *bad[2];
    } expected[] = {
        {"trusted_ips", {"'10.0.0.0/33'", "'localhost'"}},
        {"port_maps", {"'80'", "'1:70000'"}},
        {"headers", {"'X-Powered-By'", "'Vi'"}},
        {"headers_upstream", {"'server_tokens'", "'X-Other'"}},
    };
    struct config *config = NULL;
    struct config_problems problems;
    assert_false(load("trusted_ips = 10.0.0.0/33, ::1, localhost\n"
                      "port_maps = 80, 443:8443, 1:70000\n"
                      "headers = Via, X-Powered-By, latency_tokens, Vi\n"
                      "headers_upstream = server_tokens, X-Kong-Request-Id, X-Other\n",
                      &config, &problems));
    assert_int_equal(problems.count, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_string_equal(problems.at[i].key, expected[i].key);
        assert_true(problems.at[i].line > 0);
        for (size_t j = 0; j < COUNT(expected[i].bad); j++)
            if (strstr(problems.at[i].reason, expected[i].bad[j]) == NULL)
                fail_msg("%s: %s", expected[i].key, problems.at[i].reason);
    }
    config_problems_fini(&problems);
}

static void a_reason_says_what_would_be_right(void **state)
{
    (void)state;
    expect_reason("trusted_ips = x", "trusted_ips", "'x': neither an IP address nor a CIDR range");
    expect_reason("port_maps = 8000", "port_maps", "'8000': must be of form <public port>:<local port>");
    expect_reason("headers = Date", "headers",
                  "'Date': not a header the gateway adds; see the list at this setting");
    expect_reason("headers_upstream = Via", "headers_upstream", "'Via': not X-Kong-Request-Id");
    expect_reason("port_maps = 0:1, 1:0", "port_maps",
                  "'0:1': must be of form <public port>:<local port>; "
                  "'1:0': must be of form <public port>:<local port>");
}

static void a_reason_that_is_too_long_is_cut(void **state)
{
    (void)state;
    struct config *config = NULL;
    struct config_problems problems;
    char text[4096] = "trusted_ips = ";
    for (size_t i = 0; i < 100; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "never-an-address-%zu,", i);
    assert_false(load(text, &config, &problems));
    assert_int_equal(problems.count, 1);
    assert_int_equal(strlen(problems.at[0].reason), 255);
    config_problems_fini(&problems);
}

static void trusted_ips_are_addresses_and_ranges(void **state)
{
    (void)state;
    struct config *config = accepted("trusted_ips = 10.0.0.1 , 10.0.0.0/8,::/0, unix:,\n");
    assert_int_equal(config->trusted_ips.count, 4);
    assert_string_equal(config->trusted_ips.at[0], "10.0.0.1");
    assert_string_equal(config->trusted_ips.at[3], "unix:");
    config_free(config);
    config = accepted("trusted_ips =\n");
    assert_int_equal(config->trusted_ips.count, 0);
    config_free(config);
}

static void off_is_no_address_and_no_port(void **state)
{
    (void)state;
    expect_reason("trusted_ips = off", "trusted_ips", "'off': neither an IP address nor a CIDR range");
    expect_reason("trusted_ips = off, 10.0.0.0/8", "trusted_ips",
                  "'off': neither an IP address nor a CIDR range");
    expect_reason("port_maps = off", "port_maps", "'off': must be of form <public port>:<local port>");
}

static void a_port_map_is_public_and_local(void **state)
{
    (void)state;
    struct config_port_map map;
    assert_true(config_parse_port_map("80:8000", &map));
    assert_int_equal(map.public_port, 80);
    assert_int_equal(map.local_port, 8000);
    assert_true(config_parse_port_map("65535:1", &map));
    static const char *const rubbish[] = {"",         ":",        "80:",    ":80",    "80",       "80:8000:1",
                                          "0:80",     "65536:80", "80:0",   "80:-1",  "80:65536", "a:b",
                                          "80 :8000", "80: 8000", "80.0:1", "80;8000"};
    for (size_t i = 0; i < COUNT(rubbish); i++)
        if (config_parse_port_map(rubbish[i], &map))
            fail_msg("'%s' is no port map", rubbish[i]);
}

static void words_of_headers_stand_for_bits(void **state)
{
    (void)state;
    assert_int_equal(header_token_of("server_tokens"), HEADER_SERVER | HEADER_VIA);
    assert_int_equal(header_token_of("latency_tokens"), HEADER_PROXY_LATENCY | HEADER_UPSTREAM_LATENCY |
                                                            HEADER_RESPONSE_LATENCY | HEADER_ADMIN_LATENCY);
    assert_int_equal(header_token_of("Server"), HEADER_SERVER);
    assert_int_equal(header_token_of("Via"), HEADER_VIA);
    assert_int_equal(header_token_of("X-Kong-Proxy-Latency"), HEADER_PROXY_LATENCY);
    assert_int_equal(header_token_of("X-Kong-Upstream-Latency"), HEADER_UPSTREAM_LATENCY);
    assert_int_equal(header_token_of("X-Kong-Response-Latency"), HEADER_RESPONSE_LATENCY);
    assert_int_equal(header_token_of("X-Kong-Admin-Latency"), HEADER_ADMIN_LATENCY);
    assert_int_equal(header_token_of("X-Kong-Upstream-Status"), HEADER_UPSTREAM_STATUS);
    assert_int_equal(header_token_of("x-kong-REQUEST-id"), HEADER_REQUEST_ID);
    assert_int_equal(header_token_of("off"), 0);
    assert_int_equal(header_token_of(""), 0);
    assert_int_equal(header_token_of("X-Kong-Request-I"), 0);
}

static void the_defaults_are_the_references(void **state)
{
    (void)state;
    struct config *config = accepted("");
    assert_int_equal(header_tokens(&config->headers), HEADER_SERVER | HEADER_VIA | HEADER_PROXY_LATENCY |
                                                          HEADER_UPSTREAM_LATENCY | HEADER_RESPONSE_LATENCY |
                                                          HEADER_ADMIN_LATENCY | HEADER_REQUEST_ID);
    assert_int_equal(header_tokens(&config->headers_upstream), HEADER_REQUEST_ID);
    assert_int_equal(config->trusted_ips.count, 0);
    assert_int_equal(config->port_maps.count, 0);
    config_free(config);
}

static void off_in_front_is_none_whatever_follows(void **state)
{
    (void)state;
    static const char *const texts[] = {"headers = off\nheaders_upstream = off\n",
                                        "headers = OFF, Via\nheaders_upstream = Off, X-Kong-Request-Id\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct config *config = accepted(texts[i]);
        assert_int_equal(header_tokens(&config->headers), 0);
        assert_int_equal(header_tokens(&config->headers_upstream), 0);
        config_free(config);
    }
    expect_reason("headers = Via, off", "headers",
                  "'off': not a header the gateway adds; see the list at this setting");
}

static void a_listener_is_off_in_any_spelling(void **state)
{
    (void)state;
    struct config *config = accepted("admin_listen = Off\nstatus_listen = off, nonsense\n");
    assert_int_equal(config->admin_listen.count, 0);
    assert_int_equal(config->status_listen.count, 0);
    config_free(config);
}

static int make_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_list_is_reported_with_all_its_bad_items),
        cmocka_unit_test(a_reason_says_what_would_be_right),
        cmocka_unit_test(a_reason_that_is_too_long_is_cut),
        cmocka_unit_test(trusted_ips_are_addresses_and_ranges),
        cmocka_unit_test(off_is_no_address_and_no_port),
        cmocka_unit_test(a_port_map_is_public_and_local),
        cmocka_unit_test(words_of_headers_stand_for_bits),
        cmocka_unit_test(the_defaults_are_the_references),
        cmocka_unit_test(off_in_front_is_none_whatever_follows),
        cmocka_unit_test(a_listener_is_off_in_any_spelling),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
