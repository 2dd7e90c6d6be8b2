/*
 * zipkin_spans - a request as JSON: ids, times, tags, endpoints, and who may say what (plugin reference, 24).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/io/loop.h"
#include "gateway/plugins/zipkin.h"
#include "gateway/plugins/zipkin_spans.h"
#include "tests/support/memory_exchange.h"

static const struct plugin *const plugins[] = {&zipkin_plugin};

struct scene {
    struct memory_world world;
    struct memory_exchange *exchange;
    struct service service;
    struct route route;
    struct chain_try tries[2];
    struct zipkin_wording wording;
    struct zipkin_part part;
    cJSON *shown;
};

static void set_address(struct sockaddr_storage *address, const char *text, int port)
{
    struct sockaddr_in *four = (void *)address;
    struct sockaddr_in6 *six = (void *)address;

    address->ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    void *at = address->ss_family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr;
    assert_int_equal(inet_pton(address->ss_family, text, at), 1);
    four->sin_port = htons((uint16_t)port); /* at the same place in both */
}

static int setup(void **state)
{
    struct scene *scene = mem_zalloc(sizeof(*scene));
    int64_t now_us = loop_clock_us();

    memory_world_open(&scene->world, plugins, COUNT(plugins));
    scene->exchange = memory_exchange_new(&scene->world, "GET", "/a%20b?q=1", "X-Tags: ignored=here", NULL);
    struct exchange_request *request = exchange_request(scene->exchange->exchange);
    request->received_us = now_us - 10000;
    request->peer_address = STR("10.0.0.9");
    request->peer_port = 4711;
    scene->service =
        (struct service){.name = (char *)(uintptr_t) "billing", .host = (char *)(uintptr_t) "b.test"};
    scene->service.id.bytes[15] = 1;
    scene->route.name = (char *)(uintptr_t) "bills";
    scene->route.id.bytes[15] = 2;
    scene->exchange->chain.service = &scene->service;
    scene->exchange->chain.route = &scene->route;
    scene->exchange->chain.client_address = STR("2001:db8::1");
    scene->tries[0] =
        (struct chain_try){.began_us = now_us - 8000, .lasted_us = 1000, .status = 502, .failed = true};
    scene->tries[1] = (struct chain_try){
        .before = &scene->tries[0], .began_us = now_us - 7000, .lasted_us = 0, .status = 200};
    set_address(&scene->tries[0].address, "10.0.0.1", 80);
    set_address(&scene->tries[1].address, "2001:db8::2", 8080);
    scene->exchange->chain.hop = (struct chain_hop){.last = &scene->tries[1], .began_us = now_us - 8000};
    scene->wording.local_service = (char *)(uintptr_t) "kong";
    scene->wording.shows_credential = true;
    scene->part = (struct zipkin_part){
        .trace = {0x11, 0x22, false},
        .request = 0x33,
        .request_parent = 0x44,
        .proxy = 0x55,
        .access_us = now_us - 9000,
        .filter_us = now_us - 5000,
        .times = {.accessed_us = now_us - 8500, .filtered_us = now_us - 4000},
    };
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    cJSON_Delete(scene->wording.static_tags);
    cJSON_Delete(scene->shown);
    memory_exchange_free(scene->exchange);
    memory_world_close(&scene->world);
    free(scene);
    return 0;
}

static void write_spans(struct scene *scene)
{
    struct buf spans = {0}, list = {0};

    zipkin_spans_write(&scene->exchange->chain, &scene->wording, &scene->part, &spans);
    buf_printf(&list, "[%s]", spans.at);
    cJSON_Delete(scene->shown);
    scene->shown = cJSON_Parse(list.at);
    assert_non_null(scene->shown);
    buf_fini(&spans);
    buf_fini(&list);
}

static const cJSON *span_named(const struct scene *scene, const char *name)
{
    const cJSON *span;

    cJSON_ArrayForEach(span, scene->shown)
    {
        if (strcmp(cJSON_GetObjectItemCaseSensitive(span, "name")->valuestring, name) == 0)
            return span;
    }
    fail_msg("no span %s", name);
    return NULL;
}

/* A member as JSON text; `wanted` NULL: it is not there. */
static void check(const cJSON *object, const char *name, const char *wanted)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    char *text = value != NULL ? cJSON_PrintUnformatted(value) : NULL;

    if (wanted == NULL ? text != NULL : text == NULL || strcmp(text, wanted) != 0)
        fail_msg("%s is %s, not %s", name, text != NULL ? text : "(none)",
                 wanted != NULL ? wanted : "(none)");
    free(text);
}

static const cJSON *tags_of(const cJSON *span)
{
    return cJSON_GetObjectItemCaseSensitive(span, "tags");
}

static void a_request_is_four_spans_when_it_took_two_tries(void **state)
{
    struct scene *scene = *state;

    write_spans(scene);
    assert_int_equal(cJSON_GetArraySize(scene->shown), 4);
    const cJSON *request = span_named(scene, "GET"), *proxy = span_named(scene, "GET (proxy)");
    const cJSON *span;
    cJSON_ArrayForEach(span, scene->shown)
    {
        check(span, "traceId", "\"00000000000000110000000000000022\"");
        check(span, "localEndpoint", "{\"serviceName\":\"kong\"}");
        check(span, "parentId", span == request ? "\"0000000000000044\"" : "\"0000000000000033\"");
        check(span, "kind", span == request ? "\"SERVER\"" : "\"CLIENT\"");
    }
    check(request, "id", "\"0000000000000033\"");
    check(proxy, "id", "\"0000000000000055\"");
    assert_true(cJSON_GetObjectItem(request, "duration")->valuedouble >= 10000);
    assert_true(cJSON_GetObjectItem(request, "timestamp")->valuedouble > 1.6e15);
}

static void each_try_says_how_it_ended(void **state)
{
    struct scene *scene = *state;

    write_spans(scene);
    const cJSON *first = span_named(scene, "GET (balancer try 1)");
    const cJSON *second = span_named(scene, "GET (balancer try 2)");
    check(first, "remoteEndpoint", "{\"serviceName\":\"billing\",\"ipv4\":\"10.0.0.1\",\"port\":80}");
    check(first, "duration", "1000");
    check(tags_of(first), "kong.balancer.try", "\"1\"");
    check(tags_of(first), "error", "\"true\"");
    check(tags_of(first), "kong.balancer.state", "\"failed\"");
    check(tags_of(first), "http.status_code", "\"502\"");
    check(second, "remoteEndpoint", "{\"serviceName\":\"billing\",\"ipv6\":\"2001:db8::2\",\"port\":8080}");
    check(second, "duration", "1"); /* 0 is "unknown" */
    check(tags_of(second), "kong.balancer.try", "\"2\"");
    check(tags_of(second), "error", NULL);
    check(tags_of(second), "http.status_code", NULL);
    check(tags_of(second), "kong.service", "\"00000000-0000-0000-0000-000000000001\"");
    check(tags_of(second), "kong.service_name", "\"billing\"");
    check(tags_of(second), "kong.route", "\"00000000-0000-0000-0000-000000000002\"");
    check(tags_of(second), "kong.route_name", "\"bills\"");
}

static void tags_say_what_was_asked_and_by_whom(void **state)
{
    struct scene *scene = *state;
    struct consumer consumer = {0};
    struct uuid credential = {{0}};

    consumer.id.bytes[15] = 3;
    credential.bytes[15] = 4;
    scene->exchange->chain.consumer = &consumer;
    scene->exchange->chain.credential = &credential;
    write_spans(scene);
    const cJSON *request = span_named(scene, "GET"), *tags = tags_of(request);
    check(request, "remoteEndpoint", "{\"ipv6\":\"2001:db8::1\",\"port\":4711}");
    check(tags, "lc", "\"kong\"");
    check(tags, "http.method", "\"GET\"");
    check(tags, "http.host", "\"example.com\"");
    check(tags, "http.path", "\"/a%20b\"");
    check(tags, "http.protocol", "\"HTTP/1.1\"");
    check(tags, "kong.node.id", "\"0b5ac2d0-0000-4000-8000-000000000001\"");
    check(tags, "kong.consumer", "\"00000000-0000-0000-0000-000000000003\"");
    check(tags, "kong.credential", "\"00000000-0000-0000-0000-000000000004\"");
    check(tags_of(span_named(scene, "GET (proxy)")), "peer.hostname", "\"b.test\"");
    check(tags_of(span_named(scene, "GET (proxy)")), "kong.service_name", "\"billing\"");
    scene->wording.shows_credential = false;
    write_spans(scene);
    check(tags_of(span_named(scene, "GET")), "kong.credential", NULL);
}

static double annotation(const cJSON *span, const char *value)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(span, "annotations"))
    {
        if (strcmp(cJSON_GetObjectItem(one, "value")->valuestring, value) == 0)
            return cJSON_GetObjectItem(one, "timestamp")->valuedouble;
    }
    fail_msg("no annotation %s", value);
    return 0;
}

static void phases_are_annotations_or_tags(void **state)
{
    struct scene *scene = *state;

    write_spans(scene);
    const cJSON *request = span_named(scene, "GET"), *proxy = span_named(scene, "GET (proxy)");
    double began = cJSON_GetObjectItem(request, "timestamp")->valuedouble;
    assert_int_equal(annotation(request, "krs") - began, 0);
    assert_int_equal(annotation(request, "krf") - began, 1000);
    assert_int_equal(annotation(proxy, "kas") - began, 1000);
    assert_int_equal(annotation(proxy, "kaf") - began, 1500);
    assert_int_equal(annotation(proxy, "khs") - began, 5000);
    assert_int_equal(annotation(proxy, "khf") - began, 6000);
    assert_int_equal(annotation(proxy, "kbs") - began, 6000);
    assert_true(annotation(proxy, "kbf") - began >= 10000);
    check(tags_of(proxy), "kong.access.duration_ms", NULL);

    scene->wording.durations_are_tags = true;
    write_spans(scene);
    request = span_named(scene, "GET"), proxy = span_named(scene, "GET (proxy)");
    check(request, "annotations", NULL);
    check(proxy, "annotations", NULL);
    check(tags_of(request), "kong.rewrite.duration_ms", "\"1.000\"");
    check(tags_of(proxy), "kong.access.duration_ms", "\"0.500\"");
    check(tags_of(proxy), "kong.header_filter.duration_ms", "\"1.000\"");
    assert_non_null(cJSON_GetObjectItem(tags_of(proxy), "kong.body_filter.duration_ms"));
}

static void names_are_as_configured(void **state)
{
    struct scene *scene = *state;

    scene->wording.name_has_path = true;
    scene->wording.local_service = (char *)(uintptr_t) "edge \"7\"";
    scene->wording.default_service = (char *)(uintptr_t) "somebody";
    scene->service.name = NULL;
    write_spans(scene);
    (void)span_named(scene, "GET /a%20b (proxy)");
    (void)span_named(scene, "GET /a%20b (balancer try 1)");
    const cJSON *request = span_named(scene, "GET /a%20b");
    check(request, "localEndpoint", "{\"serviceName\":\"edge \\\"7\\\"\"}");
    check(request, "remoteEndpoint", "{\"serviceName\":\"somebody\",\"ipv6\":\"2001:db8::1\",\"port\":4711}");
    check(span_named(scene, "GET /a%20b (balancer try 1)"), "remoteEndpoint",
          "{\"serviceName\":\"somebody\",\"ipv4\":\"10.0.0.1\",\"port\":80}");
}

static void a_long_path_is_told_once(void **state)
{
    struct scene *scene = *state;
    char path[4096], name[4 + 256 + 1] = "GET ";

    memset(path, '/', sizeof(path));
    memset(name + 4, '/', 256);
    name[sizeof(name) - 1] = '\0';
    exchange_request(scene->exchange->exchange)->path = (struct str){path, sizeof(path)};
    scene->wording.name_has_path = true;
    write_spans(scene);
    const cJSON *told = cJSON_GetObjectItem(tags_of(span_named(scene, name)), "http.path");
    assert_int_equal(strlen(told->valuestring), sizeof(path));
}

/* What nobody has said, and what only the gateway may say. */
static void a_client_adds_tags_but_forges_none(void **state)
{
    struct scene *scene = *state;

    scene->wording.static_tags = cJSON_Parse("[{\"name\":\"zone\",\"value\":\"north\"}]");
    scene->part.tags =
        STR(" one = 1 ;two=a=b;;=x;no value;empty=;zone=south;kong.consumer=me;kong.more=x;http.path=/;"
            "lc=x;one=2;q=\"\xff;http.host=x;\xff=1;\xfe=2");
    write_spans(scene);
    const cJSON *tags = tags_of(span_named(scene, "GET"));
    check(tags, "one", "\"1\"");
    check(tags, "two", "\"a=b\"");
    check(tags, "empty", "\"\"");
    check(tags, "no value", NULL);
    check(tags, "zone", "\"north\"");
    check(tags, "kong.consumer", NULL);
    check(tags, "kong.more", NULL);
    check(tags, "http.path", "\"/a%20b\"");
    check(tags, "http.host", "\"example.com\"");
    check(tags, "lc", "\"kong\"");
    check(tags, "q", "\"\\\"\xef\xbf\xbd\"");
    const cJSON *tag, *other;
    cJSON_ArrayForEach(tag, tags)
    {
        cJSON_ArrayForEach(other, tags)
        {
            assert_true(tag == other || strcmp(tag->string, other->string) != 0);
        }
    }
}

static void a_clients_tags_are_bounded(void **state)
{
    struct scene *scene = *state;
    struct buf many = {0};

    for (int i = 0; i < 1000; i++)
        buf_printf(&many, "t%d=x;", i);
    scene->part.tags = buf_str(&many);
    write_spans(scene);
    assert_int_equal(cJSON_GetArraySize(tags_of(span_named(scene, "GET"))), 6 + ZIPKIN_TAGS_MAX);
    buf_fini(&many);
}

static void what_never_reached_an_upstream_is_two_spans(void **state)
{
    struct scene *scene = *state;

    scene->exchange->chain.hop = (struct chain_hop){0};
    scene->exchange->chain.service = NULL;
    scene->part.access_us = 0;
    scene->part.filter_us = 0;
    scene->part.times = (struct chain_times){0};
    scene->part.request_parent = 0;
    write_spans(scene);
    assert_int_equal(cJSON_GetArraySize(scene->shown), 2);
    const cJSON *proxy = span_named(scene, "GET (proxy)");
    check(proxy, "remoteEndpoint", NULL);
    check(proxy, "tags", "{}");
    check(proxy, "duration", "1");
    check(span_named(scene, "GET"), "parentId", NULL);
    assert_true(annotation(proxy, "kas") == annotation(proxy, "kbf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_is_four_spans_when_it_took_two_tries, setup, teardown),
        cmocka_unit_test_setup_teardown(each_try_says_how_it_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_say_what_was_asked_and_by_whom, setup, teardown),
        cmocka_unit_test_setup_teardown(phases_are_annotations_or_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_as_configured, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_path_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_adds_tags_but_forges_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clients_tags_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(what_never_reached_an_upstream_is_two_spans, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
