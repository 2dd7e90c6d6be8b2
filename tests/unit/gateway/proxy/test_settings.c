/*
 * Settings as requests need them.
 */

#include "requests.h"

#include "gateway/config/header_tokens.h"

static void defaults_trust_nobody_and_map_no_port(void **state)
{
    (void)state;
    struct settings *settings = test_settings("");
    struct sockaddr_storage peer;
    assert_true(network_address(STR("127.0.0.1"), &peer));
    assert_false(settings_trust(settings, &peer));
    assert_int_equal(settings->trusted_count, 0);
    assert_int_equal(settings_public_port(settings, 8000), 8000);
    expect_str(settings->real_ip_header, "X-Real-IP");
    expect_str(settings->server_token, "kong/3.5.0");
    expect_str(settings->charset, "UTF-8");
    assert_false(settings->real_ip_is_peer || settings->real_ip_recursive || settings->debug_headers ||
                 settings->refuse_when_stale);
    assert_int_equal(settings->error_type, ERROR_PAGE_PLAIN);
    assert_int_equal(settings->upstream_headers, HEADER_REQUEST_ID);
    assert_int_equal(settings->answer_headers & HEADER_UPSTREAM_STATUS, 0);
    settings_free(settings);
    settings_free(NULL);
}

static void any_of_the_ranges_is_trusted(void **state)
{
    (void)state;
    struct settings *settings = test_settings("trusted_ips = 10.0.0.0/8, ::1, unix:\n");
    static const struct {
        const char *peer;
        bool trusted;
    } cases[] = {
        {"10.200.0.1", true}, {"11.0.0.1", false}, {"::1", true}, {"::2", false}, {"::ffff:10.0.0.1", true}};
    struct sockaddr_storage peer;
    assert_int_equal(settings->trusted_count, 3);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(network_address(str_of(cases[i].peer), &peer));
        assert_int_equal(settings_trust(settings, &peer), cases[i].trusted);
    }
    peer = (struct sockaddr_storage){.ss_family = AF_UNIX};
    assert_true(settings_trust(settings, &peer));
    settings_free(settings);
}

static void a_local_port_is_shown_as_the_public_one(void **state)
{
    (void)state;
    struct settings *settings = test_settings("port_maps = 80:8000, 443:8443\n");
    assert_int_equal(settings_public_port(settings, 8000), 80);
    assert_int_equal(settings_public_port(settings, 8443), 443);
    assert_int_equal(settings_public_port(settings, 80), 80);
    assert_int_equal(settings_public_port(settings, 443), 443);
    assert_int_equal(settings_public_port(settings, 9000), 9000);
    settings_free(settings);
}

static void every_setting_arrives(void **state)
{
    (void)state;
    struct settings *settings =
        test_settings("headers = via, X-Kong-Upstream-Status\nheaders_upstream = off\nserver_token = mine/1\n"
                      "real_ip_header = proxy_protocol\nreal_ip_recursive = on\nallow_debug_header = on\n"
                      "cluster_stale_policy = refuse\nnginx_http_charset = Off\n");
    expect_str(settings->charset, NULL);
    assert_int_equal(settings->answer_headers, HEADER_VIA | HEADER_UPSTREAM_STATUS);
    assert_int_equal(settings->upstream_headers, 0);
    expect_str(settings->server_token, "mine/1");
    expect_str(settings->real_ip_header, "proxy_protocol");
    assert_true(settings->real_ip_is_peer && settings->real_ip_recursive && settings->debug_headers &&
                settings->refuse_when_stale);
    settings_free(settings);
}

static void engine_errors_have_the_type_that_is_set(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error_page_type type;
    } cases[] = {
        {"error_default_type = text/plain\n", ERROR_PAGE_PLAIN},
        {"error_default_type = text/html\n", ERROR_PAGE_HTML},
        {"error_default_type = application/json\n", ERROR_PAGE_JSON},
        {"error_default_type = application/xml\n", ERROR_PAGE_XML},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct settings *settings = test_settings(cases[i].text);
        assert_int_equal(settings->error_type, cases[i].type);
        settings_free(settings);
    }
}

static void an_empty_setting_is_its_default(void **state)
{
    (void)state;
    struct settings *settings = test_settings("real_ip_header =\nserver_token =\nerror_default_type =\n"
                                              "cluster_stale_policy =\nheaders =\n");
    expect_str(settings->real_ip_header, "X-Real-IP");
    expect_str(settings->server_token, "kong/3.5.0");
    assert_int_equal(settings->answer_headers & HEADER_VIA, HEADER_VIA);
    settings_free(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_trust_nobody_and_map_no_port),
        cmocka_unit_test(any_of_the_ranges_is_trusted),
        cmocka_unit_test(a_local_port_is_shown_as_the_public_one),
        cmocka_unit_test(every_setting_arrives),
        cmocka_unit_test(engine_errors_have_the_type_that_is_set),
        cmocka_unit_test(an_empty_setting_is_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
