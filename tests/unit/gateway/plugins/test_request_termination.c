/*
 * request-termination (plugin reference, 12): what is answered instead of the upstream, and when.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/plugins/request_termination.h"
#include "tests/support/memory_exchange.h"

static const struct plugin *const plugins[] = {&request_termination_plugin};
static struct memory_world world;
static struct memory_exchange *exchange;
static cJSON *echoed;

static int setup(void **state)
{
    (void)state;
    memory_world_open(&world, plugins, COUNT(plugins));
    exchange = NULL;
    echoed = NULL;
    return 0;
}

static void finish(void)
{
    cJSON_Delete(echoed);
    echoed = NULL;
    if (exchange != NULL)
        memory_exchange_free(exchange);
    exchange = NULL;
}

static int teardown(void **state)
{
    (void)state;
    finish();
    memory_world_close(&world);
    return 0;
}

/* In the place of the one before. */
static void configure(const char *config)
{
    memory_world_configure(&world, &request_termination_plugin, config, NULL, NULL);
}

static void assert_text(struct str text, const char *wanted)
{
    if (wanted == NULL ? text.at != NULL : text.at == NULL || !str_equal(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted != NULL ? wanted : "(none)");
}

static void ask(const char *method, const char *target, const char *headers, const char *body)
{
    finish();
    exchange = memory_exchange_new(&world, method, target, headers, body);
    (void)memory_exchange_access(exchange);
}

static void assert_answer(int status, const char *type, const char *body)
{
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, status);
    assert_text(exchange->chain.answer_body, body);
    assert_text(memory_exchange_answer_header(exchange, "Content-Type"), type);
    assert_false(exchange->chain.request_id_in_body);
}

#define JSON "application/json; charset=utf-8"

static void by_default_the_service_is_unavailable(void **state)
{
    (void)state;
    configure("{}");
    ask("GET", "/", "Accept: text/html", NULL); /* never negotiated */
    assert_answer(503, JSON, "{\"message\":\"Service unavailable\"}");
}

static void some_statuses_have_a_usual_message_others_no_body(void **state)
{
    static const struct {
        int status;
        const char *body;
    } cases[] = {
        {401, "{\"message\":\"Unauthorized\"}"},
        {404, "{\"message\":\"Not found\"}"},
        {405, "{\"message\":\"Method not allowed\"}"},
        {500, "{\"message\":\"An unexpected error occurred\"}"},
        {502, "{\"message\":\"Bad Gateway\"}"},
        {503, "{\"message\":\"Service unavailable\"}"},
        {200, NULL},
        {403, NULL},
        {418, NULL},
        {504, NULL},
        {599, NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char config[64];
        (void)snprintf(config, sizeof(config), "{\"status_code\":%d}", cases[i].status);
        configure(config);
        ask("GET", "/", "", NULL);
        assert_answer(cases[i].status, cases[i].body != NULL ? JSON : NULL, cases[i].body);
    }
}

static void a_message_is_told_and_escaped(void **state)
{
    (void)state;
    configure("{\"status_code\":200,\"message\":\"say \\\"hi\\\" <b>\"}");
    ask("GET", "/", "", NULL);
    assert_answer(200, JSON, "{\"message\":\"say \\\"hi\\\" <b>\"}");
}

static void a_body_is_sent_as_it_is_with_its_type(void **state)
{
    (void)state;
    configure("{\"status_code\":404,\"content_type\":\"text/html\",\"body\":\"<h1>\\\"gone\\\"</h1>\"}");
    ask("GET", "/", "", NULL);
    assert_answer(404, "text/html", "<h1>\"gone\"</h1>");
    configure("{\"body\":\"{}\"}"); /* without type: JSON */
    ask("GET", "/", "", NULL);
    assert_answer(503, JSON, "{}");
}

static void statuses_without_content_have_none(void **state)
{
    static const char *const configs[] = {
        "{\"status_code\":204,\"body\":\"x\"}",
        "{\"status_code\":304,\"message\":\"x\"}",
        "{\"status_code\":204,\"echo\":true}",
        "{\"status_code\":101,\"message\":\"x\"}",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(configs); i++) {
        configure(configs[i]);
        ask("GET", "/", "", NULL);
        assert_int_equal(exchange->result, CHAIN_ANSWERED);
        assert_int_equal(exchange->chain.answer_body.len, 0);
        assert_int_equal(exchange->chain.answer.headers.count, 0);
    }
}

static void a_trigger_is_a_header_or_a_query_argument_of_any_value(void **state)
{
    (void)state;
    configure("{\"trigger\":\"X-Stop\"}");
    ask("GET", "/?stop=1", "Stop: 1", NULL);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_false(exchange->chain.answered);
    ask("GET", "/", "x-stop: no", NULL);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    ask("GET", "/", "X-STOP:", NULL);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    ask("GET", "/?a&X-Stop=no", "", NULL);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    ask("GET", "/?X-Stop", "", NULL);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    ask("POST", "/", "Content-Type: application/x-www-form-urlencoded", "X-Stop=1");
    assert_int_equal(exchange->result, CHAIN_NEXT);
}

static void settings_that_make_no_sense_do_not_compile(void **state)
{
    cJSON *config = cJSON_Parse("{\"status_code\":1000}");
    struct err err = {0};
    void *object = NULL;
    (void)state;

    assert_false(request_termination_plugin.configure(config, &object, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(object);
    cJSON_Delete(config);
}

/* ---- echo ---- */

/* "request.headers.host" of the echo; NULL: absent. */
static const cJSON *shown(const char *path)
{
    struct str rest = str_of(path);
    const cJSON *at = echoed;

    while (rest.at != NULL && at != NULL) {
        char name[64];
        size_t end = str_find(rest, '.', 0);
        struct str step = str_part(rest, 0, end != SIZE_MAX ? end : rest.len);
        (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(step));
        at = cJSON_GetObjectItemCaseSensitive(at, name);
        rest = end != SIZE_MAX ? str_part(rest, end + 1, rest.len) : STR_NONE;
    }
    return at;
}

static void assert_shown(const char *path, const char *json)
{
    char *text = shown(path) != NULL ? cJSON_PrintUnformatted(shown(path)) : NULL;

    if (text == NULL || strcmp(text, json) != 0)
        fail_msg("%s is %s, not %s", path, text != NULL ? text : "absent", json);
    cJSON_free(text);
}

static void ask_echo(const char *method, const char *target, const char *headers, const char *body)
{
    ask(method, target, headers, body);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    assert_text(memory_exchange_answer_header(exchange, "Content-Type"), JSON);
    echoed = cJSON_ParseWithLength(exchange->chain.answer_body.at, exchange->chain.answer_body.len);
    assert_true(cJSON_IsObject(echoed));
}

static void echo_shows_the_request_and_the_node(void **state)
{
    (void)state;
    configure("{\"echo\":true,\"status_code\":404}");
    ask_echo("PUT", "/some/path?a=1&b&a=%20x", "X-One: 1\nX-Two: 2\nx-two: 3\nX-TWO: 4", "raw \"text\"");
    assert_int_equal(exchange->chain.answer.status, 404);
    assert_shown("message", "\"Not found\"");
    assert_shown("kong.node_id", "\"0b5ac2d0-0000-4000-8000-000000000001\"");
    assert_shown("kong.hostname", "\"memory\"");
    assert_int_equal(shown("kong.worker_pid")->valuedouble, getpid());
    assert_shown("request.scheme", "\"http\"");
    assert_shown("request.host", "\"example.com\"");
    assert_shown("request.port", "8000");
    assert_shown("request.method", "\"PUT\"");
    assert_shown("request.path", "\"/some/path\"");
    assert_shown("request.headers",
                 "{\"host\":\"example.com:8000\",\"x-one\":\"1\",\"x-two\":[\"2\",\"3\",\"4\"]}");
    assert_shown("request.query.a", "[\"1\",\" x\"]");
    assert_shown("request.query.b", "true");
    assert_shown("request.raw_body", "\"raw \\\"text\\\"\"");
    assert_null(shown("request.body"));
    assert_shown("request.uri_captures", "{\"named\":{},\"unnamed\":[]}");
    assert_null(shown("matched_route"));
    assert_null(shown("matched_service"));
}

static void echo_shows_bodies_it_can_read_in_parts(void **state)
{
    (void)state;
    configure("{\"echo\":true,\"message\":\"hi\"}");
    ask_echo("POST", "/", "Content-Type: application/json", "{\"a\":[1,null]}");
    assert_shown("message", "\"hi\"");
    assert_shown("request.body", "{\"a\":[1,null]}");
    assert_shown("request.raw_body", "\"{\\\"a\\\":[1,null]}\"");
    ask_echo("POST", "/", "Content-Type: application/x-www-form-urlencoded", "a=1&b=x%20y");
    assert_shown("request.body", "{\"a\":\"1\",\"b\":\"x y\"}");
    ask_echo("POST", "/", "Content-Type: application/json", "{\"a\":");
    assert_null(shown("request.body"));
    assert_shown("request.raw_body", "\"{\\\"a\\\":\"");
    ask_echo("GET", "/", "", NULL);
    assert_null(shown("request.raw_body"));
}

static void echo_survives_bytes_that_are_no_text(void **state)
{
    (void)state;
    configure("{\"echo\":true}");
    ask_echo("POST", "/?a=%ff&%ff=1&ok=1", "X-Bad: \xff\xfe", "\xff\xfe");
    assert_shown("request.headers.x-bad", "null");
    assert_shown("request.query", "{\"a\":null,\"ok\":\"1\"}");
    assert_null(shown("request.raw_body"));
    assert_true(str_is_utf8(exchange->chain.answer_body));
}

static void echo_shows_the_first_hundred_arguments(void **state)
{
    struct buf target = {0};
    (void)state;

    buf_add_text(&target, "/?");
    for (int i = 0; i < 150; i++)
        buf_printf(&target, "a%d=1&", i);
    configure("{\"echo\":true}");
    ask_echo("GET", target.at, "", NULL);
    assert_int_equal(cJSON_GetArraySize(shown("request.query")), 100);
    finish();
    buf_fini(&target);
}

static void echo_names_route_and_service_and_the_normalised_path(void **state)
{
    char name[] = "shop";
    const struct route route = {.id = {{[15] = 1}}};
    const struct service service = {.id = {{[15] = 2}}, .name = name};
    (void)state;

    configure("{\"echo\":true}");
    exchange = memory_exchange_new(&world, "GET", "/a/../b", "", NULL);
    exchange->chain.route = &route;
    exchange->chain.service = &service;
    exchange->chain.path = STR("/b");
    (void)memory_exchange_access(exchange);
    echoed = cJSON_ParseWithLength(exchange->chain.answer_body.at, exchange->chain.answer_body.len);
    assert_shown("matched_route", "{\"id\":\"00000000-0000-0000-0000-000000000001\",\"name\":null}");
    assert_shown("matched_service", "{\"id\":\"00000000-0000-0000-0000-000000000002\",\"name\":\"shop\"}");
    assert_shown("request.path", "\"/b\"");
}

static void echo_takes_the_port_off_the_host(void **state)
{
    static const char *const hosts[][2] = {
        {"a.example", "\"a.example\""},
        {"a.example:80", "\"a.example\""},
        {"[::1]:80", "\"[::1]\""},
        {"[::1]", "\"[::1]\""},
        {"", "\"\""},
    };
    (void)state;

    configure("{\"echo\":true}");
    for (size_t i = 0; i < COUNT(hosts); i++) {
        finish();
        exchange = memory_exchange_new(&world, "GET", "/", "", NULL);
        exchange_request(exchange->exchange)->host = str_of(hosts[i][0]);
        (void)memory_exchange_access(exchange);
        echoed = cJSON_ParseWithLength(exchange->chain.answer_body.at, exchange->chain.answer_body.len);
        assert_shown("request.host", hosts[i][1]);
    }
}

int main(void)
{
#define ASK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ASK(by_default_the_service_is_unavailable),
        ASK(some_statuses_have_a_usual_message_others_no_body),
        ASK(a_message_is_told_and_escaped),
        ASK(a_body_is_sent_as_it_is_with_its_type),
        ASK(statuses_without_content_have_none),
        ASK(a_trigger_is_a_header_or_a_query_argument_of_any_value),
        ASK(settings_that_make_no_sense_do_not_compile),
        ASK(echo_shows_the_request_and_the_node),
        ASK(echo_shows_bodies_it_can_read_in_parts),
        ASK(echo_survives_bytes_that_are_no_text),
        ASK(echo_shows_the_first_hundred_arguments),
        ASK(echo_names_route_and_service_and_the_normalised_path),
        ASK(echo_takes_the_port_off_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
