/*
 * Answers of the gateway and what it adds to all (data-plane reference, 4 and 5), written down by the
 * exchange recorder.
 */

#include "requests.h"

#include "gateway/base/mem.h"
#include "gateway/chain/plugin.h"
#include "gateway/chain/scope.h"
#include "gateway/io/loop.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/response.h"

#define ID "0123456789abcdef0123456789abcdef"

/* ---- a plugin that writes what it must not decide ---- */

static bool intruding_configure(const cJSON *config, void **object, struct err *err)
{
    (void)config;
    (void)err;
    *object = mem_alloc(1);
    return true;
}

static void intruding_header_filter(struct chain *chain, const void *object)
{
    (void)object;
    headers_add(&chain->answer.headers, STR("x-kong-request-id"), STR("plugin's"));
    headers_add(&chain->answer.headers, STR("via"), STR("plugin's"));
    headers_add(&chain->answer.headers, STR("server"), STR("plugin's"));
    headers_add(&chain->answer.headers, STR("x-plugin"), STR("ran"));
}

static const struct plugin intruding = {
    .schema = {.name = "intruding", .version = "1"},
    .configure = intruding_configure,
    .dispose = free,
    .header_filter = intruding_header_filter,
};
static const struct plugin *const installed[] = {&intruding};

/* ---- a request that has come as far as a test wants ---- */

struct bench {
    struct settings *settings;
    struct exchange *exchange;
    struct scope_index *scope;
    struct route route;
    struct service service;
    struct request request;
};

static void configure_intruder(struct bench *bench)
{
    const struct plugin_setting setting = {.enabled = true};
    struct err err;
    struct plugin_instance *instance = plugin_instance_new(&intruding, &setting, &err);
    assert_non_null(instance);
    struct scope_index *next = scope_change(bench->scope, NULL, instance);
    plugin_instance_unref(instance);
    scope_unref(bench->scope);
    bench->scope = next;
}

static void open_bench(struct bench *bench, const char *settings, const char *text)
{
    *bench = (struct bench){.settings = test_settings(settings), .scope = scope_new(installed, 1)};
    bench->exchange = test_exchange("192.0.2.1", text);
    exchange_request(bench->exchange)->received_us = loop_clock_us();
    bench->route.id = (struct uuid){{1}};
    bench->service.id = (struct uuid){{2}};
    bench->request = (struct request){
        .magic = REQUEST_MAGIC, .exchange = bench->exchange, .settings = bench->settings, .id = {0}};
    memcpy(bench->request.id, ID, REQUEST_ID_SIZE);
    bench->request.chain.exchange = bench->exchange;
    bench->request.chain.scope = bench->scope;
    bench->request.chain.request_id = (struct str){bench->request.id, REQUEST_ID_SIZE};
    chain_start(&bench->request.chain);
}

static void close_bench(struct bench *bench)
{
    assert_int_equal(exchange_recorder_recording(bench->exchange)->answers, 1);
    exchange_recorder_free(bench->exchange);
    scope_unref(bench->scope);
    settings_free(bench->settings);
}

/* As the relay leaves it: `proxy_ms` until the first try, `upstream_ms` until its head; -1: none came. */
static void proxied(struct bench *bench, int proxy_ms, int upstream_ms)
{
    int64_t received_us = exchange_request(bench->exchange)->received_us;
    bench->request.proxied = true;
    bench->request.chain.hop.began_us = received_us + (int64_t)proxy_ms * 1000 + 999;
    if (upstream_ms >= 0)
        bench->request.chain.hop.head_us =
            bench->request.chain.hop.began_us + (int64_t)upstream_ms * 1000 + 999;
}

static const struct exchange_recording *recording(const struct bench *bench)
{
    return exchange_recorder_recording(bench->exchange);
}

/* The one line of that name; NULL: there is none. */
static void expect_line(const struct bench *bench, const char *name, const char *wanted)
{
    const struct headers *headers = &recording(bench)->headers;
    const struct header *line = headers_find(headers, str_of(name));
    if (line != NULL && headers_find_next(headers, line, str_of(name)) != NULL)
        fail_msg("%s is there twice", name);
    if (line == NULL ? wanted != NULL : wanted == NULL || !str_equal(line->value, str_of(wanted)))
        fail_msg("%s: '%.*s' instead of '%s'", name, line != NULL ? (int)line->value.len : 6,
                 line != NULL ? line->value.at : "(none)", wanted != NULL ? wanted : "(none)");
}

static void expect_number(const struct bench *bench, const char *name)
{
    const struct header *line = headers_find(&recording(bench)->headers, str_of(name));
    int64_t number;
    assert_non_null(line);
    assert_true(str_to_int(line->value, &number));
    assert_in_range(number, 0, 60000);
}

/* ---- who made it ---- */

static void an_answer_of_our_own_has_server_and_its_latency(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    response_error(&bench.request, RESPONSE_OF_GATEWAY, 404, "no Route matched with those values");
    assert_int_equal(recording(&bench)->status, 404);
    expect_line(&bench, "Server", "kong/3.5.0");
    expect_line(&bench, "Via", NULL);
    expect_number(&bench, "X-Kong-Response-Latency");
    expect_line(&bench, "X-Kong-Proxy-Latency", NULL);
    expect_line(&bench, "X-Kong-Upstream-Latency", NULL);
    expect_line(&bench, "X-Kong-Admin-Latency", NULL);
    expect_line(&bench, "X-Kong-Request-Id", ID);
    close_bench(&bench);
}

static void a_proxied_answer_has_via_and_both_latencies(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    proxied(&bench, 12, 345);
    exchange_answer_init(bench.exchange, &bench.request.chain.answer, 200);
    struct headers *headers = &bench.request.chain.answer.headers;
    headers_add(headers, STR("Server"), STR("nginx"));
    headers_add(headers, STR("Via"), STR("1.1 one"));
    headers_add(headers, STR("via"), STR("1.1 two"));
    headers_add(headers, STR("X-Kong-Proxy-Latency"), STR("9999"));
    response_send(&bench.request);
    expect_line(&bench, "Server", "nginx");
    expect_line(&bench, "Via", "kong/3.5.0");
    expect_line(&bench, "X-Kong-Proxy-Latency", "12");
    expect_line(&bench, "X-Kong-Upstream-Latency", "345");
    expect_line(&bench, "X-Kong-Response-Latency", NULL);
    close_bench(&bench);
}

static void an_upstream_that_failed_still_counts_as_proxied(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    proxied(&bench, 0, -1);
    response_error(&bench.request, RESPONSE_OF_ENGINE, 502, NULL);
    expect_line(&bench, "Server", NULL);
    expect_line(&bench, "Via", "kong/3.5.0");
    expect_line(&bench, "X-Kong-Proxy-Latency", "0");
    expect_number(&bench, "X-Kong-Upstream-Latency");
    expect_line(&bench, "X-Kong-Response-Latency", NULL);
    close_bench(&bench);
}

static void a_clock_that_stands_still_makes_no_negative_latency(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    proxied(&bench, -5000, 0);
    bench.request.chain.hop.head_us = bench.request.chain.hop.began_us - 7000;
    response_error(&bench.request, RESPONSE_OF_ENGINE, 502, NULL);
    expect_line(&bench, "X-Kong-Proxy-Latency", "0");
    expect_line(&bench, "X-Kong-Upstream-Latency", "0");
    close_bench(&bench);
}

static void only_listed_headers_are_added(void **state)
{
    static const struct {
        const char *settings;
        const char *server, *via, *proxy, *upstream, *id;
    } cases[] = {
        {"headers = off\n", NULL, NULL, NULL, NULL, NULL},
        {"headers = Via\n", NULL, "kong/3.5.0", NULL, NULL, NULL},
        {"headers = Server\n", NULL, NULL, NULL, NULL, NULL},
        {"headers = X-Kong-Proxy-Latency\n", NULL, NULL, "1", NULL, NULL},
        {"headers = X-Kong-Upstream-Latency\n", NULL, NULL, NULL, "2", NULL},
        {"headers = X-Kong-Response-Latency\n", NULL, NULL, NULL, NULL, NULL},
        {"headers = X-Kong-Request-Id\n", NULL, NULL, NULL, NULL, ID},
        {"headers = server_tokens, latency_tokens\nserver_token = mine\n", NULL, "mine", "1", "2", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        open_bench(&bench, cases[i].settings, "GET / HTTP/1.1\nHost: a\n");
        proxied(&bench, 1, 2);
        response_error(&bench.request, RESPONSE_OF_ENGINE, 502, NULL);
        expect_line(&bench, "Server", cases[i].server);
        expect_line(&bench, "Via", cases[i].via);
        expect_line(&bench, "X-Kong-Proxy-Latency", cases[i].proxy);
        expect_line(&bench, "X-Kong-Upstream-Latency", cases[i].upstream);
        expect_line(&bench, "X-Kong-Request-Id", cases[i].id);
        close_bench(&bench);
    }
}

static void the_status_of_the_last_try_is_told_if_listed(void **state)
{
    static const struct {
        const char *settings, *wanted;
        bool proxied;
    } cases[] = {
        {"headers = X-Kong-Upstream-Status\n", "201", true},
        {"headers = X-Kong-Upstream-Status\n", NULL, false},
        {"", NULL, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        open_bench(&bench, cases[i].settings, "GET / HTTP/1.1\nHost: a\n");
        if (cases[i].proxied)
            proxied(&bench, 1, 1);
        bench.request.relay.status = 201;
        exchange_answer_init(bench.exchange, &bench.request.chain.answer, 418); /* a plugin's idea */
        response_send(&bench.request);
        expect_line(&bench, "X-Kong-Upstream-Status", cases[i].wanted);
        close_bench(&bench);
    }
}

static void our_own_answers_obey_the_list_too(void **state)
{
    static const struct {
        const char *settings, *server;
        bool latency;
    } cases[] = {
        {"headers = off\n", NULL, false},
        {"headers = Server\n", "kong/3.5.0", false},
        {"headers = Via, X-Kong-Response-Latency\n", NULL, true},
        {"headers = server_tokens\nserver_token = mine/2\n", "mine/2", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        open_bench(&bench, cases[i].settings, "GET / HTTP/1.1\nHost: a\n");
        response_error(&bench.request, RESPONSE_OF_GATEWAY, 401, "Unauthorized");
        expect_line(&bench, "Server", cases[i].server);
        expect_line(&bench, "Via", NULL);
        if (cases[i].latency)
            expect_number(&bench, "X-Kong-Response-Latency");
        else
            expect_line(&bench, "X-Kong-Response-Latency", NULL);
        close_bench(&bench);
    }
}

static void our_headers_win_over_upstream_and_plugins(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    configure_intruder(&bench);
    bench.request.chain.scope = bench.scope;
    proxied(&bench, 1, 1);
    exchange_answer_init(bench.exchange, &bench.request.chain.answer, 200);
    headers_add(&bench.request.chain.answer.headers, STR("X-Kong-Request-Id"), STR("upstream's"));
    response_send(&bench.request);
    expect_line(&bench, "X-Plugin", "ran");
    expect_line(&bench, "X-Kong-Request-Id", ID);
    expect_line(&bench, "Via", "kong/3.5.0");
    expect_line(&bench, "Server", "plugin's"); /* proxied: not ours to write */
    close_bench(&bench);

    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    configure_intruder(&bench);
    bench.request.chain.scope = bench.scope;
    response_error(&bench.request, RESPONSE_OF_GATEWAY, 404, "x");
    expect_line(&bench, "Server", "kong/3.5.0");
    expect_line(&bench, "X-Kong-Request-Id", ID);
    close_bench(&bench);
}

static void text_without_a_charset_gets_one(void **state)
{
    static const struct {
        const char *settings, *type, *wanted;
    } cases[] = {
        {"", "text/plain", "text/plain; charset=UTF-8"},
        {"", "Text/HTML", "Text/HTML; charset=UTF-8"},
        {"", "text/html; level=1", "text/html; level=1; charset=UTF-8"},
        {"", "text/html;charset=latin1", "text/html;charset=latin1"},
        {"", "text/html; level=1 ; Charset=\"x\"", "text/html; level=1 ; Charset=\"x\""},
        {"", "text/html; charse", "text/html; charse; charset=UTF-8"},
        {"", "application/javascript", "application/javascript; charset=UTF-8"},
        {"", "application/json", "application/json"},
        {"", "text/css", "text/css"},
        {"", "image/png", "image/png"},
        {"", "", ""},
        {"nginx_http_charset = koi8-r\n", "text/xml", "text/xml; charset=koi8-r"},
        {"nginx_http_charset = off\n", "text/xml", "text/xml"},
        {"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        open_bench(&bench, cases[i].settings, "GET / HTTP/1.1\nHost: a\n");
        proxied(&bench, 1, 1);
        exchange_answer_init(bench.exchange, &bench.request.chain.answer, 200);
        if (cases[i].type != NULL)
            headers_add(&bench.request.chain.answer.headers, STR("content-type"), str_of(cases[i].type));
        response_send(&bench.request);
        expect_line(&bench, "Content-Type", cases[i].wanted);
        close_bench(&bench);
    }
}

/* ---- debug ---- */

static void expect_debug(const char *settings, const char *lines, bool has_names, const char *route_id)
{
    struct bench bench;
    char text[128];
    char route_name[] = "r", service_name[] = "s";
    (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\nHost: a\n%s", lines);
    open_bench(&bench, settings, text);
    bench.request.chain.route = &bench.route;
    bench.request.chain.service = &bench.service;
    if (has_names) {
        bench.route.name = route_name;
        bench.service.name = service_name;
    }
    response_error(&bench.request, RESPONSE_OF_GATEWAY, 401, "x");
    expect_line(&bench, "Kong-Route-Id", route_id);
    expect_line(&bench, "Kong-Service-Id", route_id != NULL ? "02000000-0000-0000-0000-000000000000" : NULL);
    expect_line(&bench, "Kong-Route-Name", has_names && route_id != NULL ? "r" : NULL);
    expect_line(&bench, "Kong-Service-Name", has_names && route_id != NULL ? "s" : NULL);
    close_bench(&bench);
}

static void debug_headers_need_the_setting_and_the_wish(void **state)
{
    static const char id[] = "01000000-0000-0000-0000-000000000000";
    (void)state;
    expect_debug("allow_debug_header = on\n", "Kong-Debug: 1\n", true, id);
    expect_debug("allow_debug_header = on\n", "kong-debug:\n", false, id);
    expect_debug("allow_debug_header = on\n", "", true, NULL);
    expect_debug("", "Kong-Debug: 1\n", true, NULL);
    expect_debug("allow_debug_header = on\nheaders = off\n", "Kong-Debug: 1\n", true, id);
}

static void debug_headers_of_nothing_are_none(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "allow_debug_header = on\n", "GET / HTTP/1.1\nHost: a\nKong-Debug: 1\n");
    response_error(&bench.request, RESPONSE_OF_GATEWAY, 404, "x");
    expect_line(&bench, "Kong-Route-Id", NULL);
    expect_line(&bench, "Kong-Service-Id", NULL);
    close_bench(&bench);
}

/* ---- formats ---- */

static void the_format_follows_accept_and_then_the_source(void **state)
{
    static const char json[] = "application/json; charset=utf-8", plain[] = "text/plain; charset=utf-8",
                      html[] = "text/html; charset=utf-8", xml[] = "application/xml; charset=utf-8";
    static const struct {
        enum response_source source;
        const char *settings, *lines, *type;
    } cases[] = {
        {RESPONSE_OF_GATEWAY, "", "", json},
        {RESPONSE_OF_GATEWAY, "error_default_type = text/html\n", "", json},
        {RESPONSE_OF_GATEWAY, "", "Content-Type: text/html\n", json},
        {RESPONSE_OF_GATEWAY, "", "Accept: text/html\n", html},
        {RESPONSE_OF_GATEWAY, "", "Accept: application/xml;q=0.5, text/plain\n", plain},
        {RESPONSE_OF_GATEWAY, "", "Accept: image/png\n", json},
        {RESPONSE_OF_ENGINE, "", "", plain},
        {RESPONSE_OF_ENGINE, "error_default_type = application/xml\n", "", xml},
        {RESPONSE_OF_ENGINE, "error_default_type = application/json\n", "", json},
        {RESPONSE_OF_ENGINE, "", "Content-Type: text/html; charset=x\n", html},
        {RESPONSE_OF_ENGINE, "", "Content-Type: application/json\n", json},
        {RESPONSE_OF_ENGINE, "", "Content-Type: application/xml\nAccept: */*\n", json},
        {RESPONSE_OF_ENGINE, "error_default_type = text/html\n", "Accept: application/xml\n", xml},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        char text[256];
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\nHost: a\n%s", cases[i].lines);
        open_bench(&bench, cases[i].settings, text);
        response_error(&bench.request, cases[i].source, 503, NULL);
        expect_line(&bench, "Content-Type", cases[i].type);
        close_bench(&bench);
    }
}

static void expect_body(enum response_source source, int status, const char *message, const char *wanted)
{
    struct bench bench;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    response_error(&bench.request, source, status, message);
    expect_str(buf_str(&recording(&bench)->body), wanted);
    assert_true(recording(&bench)->complete);
    assert_true(bench.request.chain.answered && bench.request.chain.request_id_in_body);
    close_bench(&bench);
}

static void the_body_has_the_message_and_the_request_id(void **state)
{
    (void)state;
    expect_body(RESPONSE_OF_GATEWAY, 404, "no Route matched with those values",
                "{\n  \"message\":\"no Route matched with those values\",\n  \"request_id\":\"" ID "\"\n}");
    expect_body(RESPONSE_OF_ENGINE, 502, NULL,
                "An invalid response was received from the upstream server\nrequest_id: " ID "\n");
    expect_body(RESPONSE_OF_ENGINE, 504, NULL, "The upstream server is timing out\nrequest_id: " ID "\n");
    expect_body(RESPONSE_OF_ENGINE, 431, "too large", "too large\nrequest_id: " ID "\n");
}

static void headers_may_be_added_between_making_and_sending(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, "", "GET / HTTP/1.1\nHost: a\n");
    response_make_error(&bench.request, RESPONSE_OF_GATEWAY, 426, "Please use HTTPS protocol");
    assert_int_equal(recording(&bench)->answers, 0);
    headers_add(&bench.request.chain.answer.headers, STR("Upgrade"), STR("TLS/1.2, HTTP/1.1"));
    response_send(&bench.request);
    assert_int_equal(recording(&bench)->status, 426);
    expect_line(&bench, "Upgrade", "TLS/1.2, HTTP/1.1");
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_our_own_has_server_and_its_latency),
        cmocka_unit_test(a_proxied_answer_has_via_and_both_latencies),
        cmocka_unit_test(an_upstream_that_failed_still_counts_as_proxied),
        cmocka_unit_test(a_clock_that_stands_still_makes_no_negative_latency),
        cmocka_unit_test(only_listed_headers_are_added),
        cmocka_unit_test(the_status_of_the_last_try_is_told_if_listed),
        cmocka_unit_test(our_own_answers_obey_the_list_too),
        cmocka_unit_test(our_headers_win_over_upstream_and_plugins),
        cmocka_unit_test(text_without_a_charset_gets_one),
        cmocka_unit_test(debug_headers_need_the_setting_and_the_wish),
        cmocka_unit_test(debug_headers_of_nothing_are_none),
        cmocka_unit_test(the_format_follows_accept_and_then_the_source),
        cmocka_unit_test(the_body_has_the_message_and_the_request_id),
        cmocka_unit_test(headers_may_be_added_between_making_and_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
