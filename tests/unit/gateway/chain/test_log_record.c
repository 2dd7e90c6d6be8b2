#include "tests/unit/gateway/chain/walk.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/base/clock.h"
#include "gateway/chain/log_record.h"
#include "gateway/io/loop.h"

/* A request, what it came to, and the record of it. */
struct scene {
    struct memory_world world;
    struct memory_exchange *exchange;
    cJSON *record;
};

static void begin(struct scene *scene, const char *target, const char *headers)
{
    *scene = (struct scene){0};
    memory_world_open(&scene->world, NULL, 0);
    scene->exchange = memory_exchange_new(&scene->world, "GET", target, headers, NULL);
    exchange_request(scene->exchange->exchange)->received_us = loop_clock_us();
    exchange_answer_init(scene->exchange->exchange, &scene->exchange->chain.answer, 200);
}

static const cJSON *read_record(struct scene *scene)
{
    struct str text = log_record(&scene->exchange->chain);

    assert_null(memchr(text.at, '\n', text.len));
    scene->record = cJSON_ParseWithLength(text.at, text.len);
    assert_non_null(scene->record);
    return scene->record;
}

static void end(struct scene *scene)
{
    cJSON_Delete(scene->record);
    memory_exchange_free(scene->exchange);
    memory_world_close(&scene->world);
}

/* "request.headers.host" */
static const cJSON *at(const cJSON *record, const char *path)
{
    char part[64];

    while (record != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        (void)snprintf(part, sizeof(part), "%.*s", (int)length, path);
        path += path[length] == '.' ? length + 1 : length;
        record = cJSON_GetObjectItemCaseSensitive(record, part);
    }
    return record;
}

/* wanted: JSON; NULL: it is not there. */
static void check(const cJSON *record, const char *path, const char *wanted)
{
    const cJSON *value = at(record, path);
    char *text = value != NULL ? cJSON_PrintUnformatted(value) : NULL;

    if (wanted == NULL ? text != NULL : text == NULL || strcmp(text, wanted) != 0)
        fail_msg("%s: %s is not %s", path, text != NULL ? text : "(nothing)",
                 wanted != NULL ? wanted : "(nothing)");
    free(text);
}

static void *decode(const struct schema *schema, const char *json)
{
    cJSON *document = cJSON_Parse(json);
    void *object = NULL;
    size_t bytes;
    struct err err;

    assert_true(schema->decode(document, &object, &bytes, &err));
    cJSON_Delete(document);
    return object;
}

struct row {
    const char *path, *wanted;
};

static void check_rows(const cJSON *record, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(record, rows[i].path, rows[i].wanted);
}

static void the_request_is_told(void **state)
{
    static const struct row rows[] = {
        {"request.id", "\"0123456789abcdef0123456789abcdef\""},
        {"request.uri", "\"/a%20b?x=1&y=%41+b&x=2&flag&empty=&=none\""},
        {"request.url", "\"http://example.com:8000/a%20b?x=1&y=%41+b&x=2&flag&empty=&=none\""},
        {"request.querystring", "{\"x\":[\"1\",\"2\"],\"y\":\"A b\",\"flag\":true,\"empty\":\"\"}"},
        {"request.method", "\"GET\""},
        {"request.headers",
         "{\"host\":\"example.com:8000\",\"x-one\":\"1\",\"x-many\":[\"a\",\"b\",\"c\"],"
         "\"authorization\":\"REDACTED\",\"proxy-authorization\":[\"REDACTED\",\"REDACTED\"],"
         "\"x-empty\":\"\"}"},
        {"request.tls", NULL},
    };
    struct scene scene;

    (void)state;
    begin(&scene, "/a%20b?x=1&y=%41+b&x=2&flag&empty=&=none",
          "X-One: 1\nX-Many: a\nAuthorization: Basic secret\nx-many: b\nProxy-Authorization: "
          "s1\nX-MANY: c\nPROXY-authorization: s2\nX-Empty:");
    check_rows(read_record(&scene), rows, COUNT(rows));
    end(&scene);
}

static void empty_objects_stay_objects(void **state)
{
    static const struct row rows[] = {
        {"request.querystring", "{}"},
        {"response.headers", "{}"},
        {"tries", "[]"},
        {"request.headers", "{}"},
        {"upstream_uri", "\"\""},
        {"upstream_status", "\"\""},
        {"latencies.proxy", "-1"},
        {"authenticated_entity", NULL},
        {"consumer", NULL},
        {"route", NULL},
        {"service", NULL},
        {"correlation_id", NULL},
        {"trace_id", NULL},
    };
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    exchange_request(scene.exchange->exchange)->host = STR_NONE;
    check_rows(read_record(&scene), rows, COUNT(rows));
    end(&scene);
}

static void sizes_have_the_head_in_them(void **state)
{
    static const char head[] =
        "GET /x HTTP/1.1\r\nHost: example.com:8000\r\nContent-Length: 12\r\nA: b\r\n\r\n";
    struct scene scene;
    char wanted[16];

    (void)state;
    begin(&scene, "/x", "A: b");
    exchange_request(scene.exchange->exchange)->body = STR("twelve bytes");
    exchange_request(scene.exchange->exchange)->has_length = true;
    (void)snprintf(wanted, sizeof(wanted), "%zu", strlen(head) + 12);
    check(read_record(&scene), "request.size", wanted);
    check(scene.record, "request.headers.content-length", "\"12\"");
    end(&scene);
}

static void the_answer_is_told(void **state)
{
    static const struct row rows[] = {
        {"response.status", "201"},
        {"response.headers", "{\"x-a\":[\"1\",\"2\"],\"content-type\":\"text/plain\"}"},
        {"response.size", "5"},
    };
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    struct exchange_answer *answer = &scene.exchange->chain.answer;
    answer->status = 201;
    headers_add(&answer->headers, STR("X-A"), STR("1"));
    headers_add(&answer->headers, STR("Content-Type"), STR("text/plain"));
    headers_add(&answer->headers, STR("x-a"), STR("2"));
    exchange_reply(scene.exchange->exchange, answer, STR("hello"));
    check_rows(read_record(&scene), rows, COUNT(rows));
    end(&scene);
}

static void who_was_never_answered_has_left(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    check(read_record(&scene), "response.status", "499");
    end(&scene);
}

static struct sockaddr_storage address_of(const char *ip, int port)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *four = (void *)&address;
    struct sockaddr_in6 *six = (void *)&address;

    address.ss_family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
    if (address.ss_family == AF_INET) {
        assert_int_equal(inet_pton(AF_INET, ip, &four->sin_addr), 1);
        four->sin_port = htons((uint16_t)port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, ip, &six->sin6_addr), 1);
        six->sin6_port = htons((uint16_t)port);
    }
    return address;
}

static void the_way_upstream_is_told(void **state)
{
    static const struct row rows[] = {
        {"upstream_uri", "\"/up?q=1\""},
        {"upstream_status", "\"502, 200\""},
        {"latencies.proxy", "250"},
        {"request.url", "\"https://example.com:8000/\""},
    };
    struct scene scene;
    const int64_t began_us = loop_clock_us() - 1000000;
    const struct chain_try first = {.address = address_of("127.0.0.1", 8081),
                                    .began_us = began_us,
                                    .lasted_us = 3500,
                                    .status = 502,
                                    .failed = true};
    const struct chain_try last = {.before = &first,
                                   .address = address_of("::1", 8082),
                                   .began_us = began_us + 4000,
                                   .lasted_us = 246000,
                                   .status = 200};

    (void)state;
    begin(&scene, "/", "");
    scene.exchange->chain.hop = (struct chain_hop){.scheme = STR("https"),
                                                   .uri = STR("/up?q=1"),
                                                   .last = &last,
                                                   .began_us = began_us,
                                                   .head_us = began_us + 250000};
    exchange_request(scene.exchange->exchange)->received_us = began_us - 100000;
    check_rows(read_record(&scene), rows, COUNT(rows));
    double request_ms = at(scene.record, "latencies.request")->valuedouble;
    assert_true(request_ms >= 1100);
    assert_true(at(scene.record, "latencies.kong")->valuedouble >= request_ms - 251);
    assert_true(at(scene.record, "latencies.kong")->valuedouble <= request_ms - 249);
    const cJSON *tries = at(scene.record, "tries");
    assert_int_equal(cJSON_GetArraySize(tries), 2);
    const cJSON *one = cJSON_GetArrayItem(tries, 0);
    check(one, "ip", "\"127.0.0.1\"");
    check(one, "port", "8081");
    check(one, "state", "\"failed\"");
    check(one, "code", "502");
    check(one, "balancer_latency", "3");
    check(one, "balancer_latency_ns", "3500000");
    double started_ms = at(scene.record, "started_at")->valuedouble;
    assert_true(at(one, "balancer_start")->valuedouble - started_ms >= 99);
    assert_true(at(one, "balancer_start")->valuedouble - started_ms <= 101);
    assert_true(at(one, "balancer_start_ns")->valuedouble / 1e6 - at(one, "balancer_start")->valuedouble <
                1.1);
    one = cJSON_GetArrayItem(tries, 1);
    check(one, "ip", "\"::1\"");
    check(one, "port", "8082");
    check(one, "state", NULL);
    check(one, "code", NULL);
    end(&scene);
}

static void times_are_of_the_wall(void **state)
{
    struct scene scene;
    const struct clock *clock = clock_system();

    (void)state;
    begin(&scene, "/", "");
    double now_ms = (double)clock->wall_us(clock->arg) / 1000;
    double started_ms = at(read_record(&scene), "started_at")->valuedouble;
    assert_true(started_ms > now_ms - 5000 && started_ms < now_ms + 5000);
    end(&scene);
}

static void entities_are_those_of_the_admin_api(void **state)
{
    static const struct row rows[] = {
        {"consumer", "{\"id\":\"00000000-0000-0000-0000-000000000003\",\"created_at\":1,\"updated_at\":2,"
                     "\"username\":\"ann\",\"tags\":[\"t\"]}"},
        {"authenticated_entity", "{\"id\":\"00000000-0000-0000-0000-000000000004\","
                                 "\"consumer_id\":\"00000000-0000-0000-0000-000000000003\"}"},
        {"route.id", "\"00000000-0000-0000-0000-000000000001\""},
        {"route.name", "\"r\""},
        {"route.protocols", "[\"http\",\"https\"]"},
        {"route.paths", "[\"/a\",\"/b\"]"},
        {"route.headers", "{\"x-h\":[\"v\"]}"},
        {"route.service", "{\"id\":\"00000000-0000-0000-0000-000000000002\"}"},
        {"route.hosts", NULL},
        {"route.strip_path", "true"},
        {"route.ws_id", "\"" DEFAULT_WORKSPACE "\""},
        {"service.id", "\"00000000-0000-0000-0000-000000000002\""},
        {"service.host", "\"up.test\""},
        {"service.protocol", "\"https\""},
        {"service.port", "8443"},
        {"service.read_timeout", "60000"},
        {"service.retries", "5"},
        {"service.tls_verify", NULL},
        {"service.path", NULL},
        {"service.enabled", "true"},
    };
    struct route *route =
        decode(&route_schema, "{\"id\":\"00000000-0000-0000-0000-000000000001\",\"name\":\"r\","
                              "\"protocols\":[\"http\",\"https\"],\"paths\":[\"/a\",\"/b\"],"
                              "\"headers\":{\"X-H\":[\"v\"]},"
                              "\"service\":{\"id\":\"00000000-0000-0000-0000-000000000002\"}}");
    struct service *service =
        decode(&service_schema, "{\"id\":\"00000000-0000-0000-0000-000000000002\",\"host\":\"up.test\","
                                "\"protocol\":\"https\",\"port\":8443}");
    struct consumer *consumer =
        decode(&consumer_schema, "{\"id\":\"00000000-0000-0000-0000-000000000003\",\"username\":\"ann\","
                                 "\"tags\":[\"t\"],\"created_at\":1,\"updated_at\":2}");
    const struct uuid credential = walk_id(4);
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    scene.exchange->chain.route = route;
    scene.exchange->chain.service = service;
    scene.exchange->chain.consumer = consumer;
    scene.exchange->chain.credential = &credential;
    check_rows(read_record(&scene), rows, COUNT(rows));
    end(&scene);
    free(route);
    free(service);
    free(consumer);
}

static void a_consumer_without_a_credential_is_not_authenticated(void **state)
{
    char name[] = "anonymous";
    const struct consumer consumer = {.id = walk_id(3), .username = name};
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    scene.exchange->chain.consumer = &consumer;
    check(read_record(&scene), "authenticated_entity", NULL);
    check(scene.record, "consumer.username", "\"anonymous\"");
    end(&scene);
}

static void plugins_leave_numbers_for_the_log(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    scene.exchange->chain.client_address = STR("192.0.2.7");
    chain_share(&scene.exchange->chain, STR("correlation_id"), STR("c-1"));
    chain_share(&scene.exchange->chain, STR("trace_id"), STR("{\"w3c\":\"0af7\"}"));
    check(read_record(&scene), "correlation_id", "\"c-1\"");
    check(scene.record, "trace_id", "{\"w3c\":\"0af7\"}");
    check(scene.record, "client_ip", "\"192.0.2.7\"");
    end(&scene);
}

static void it_is_written_once(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "/", "");
    struct str first = log_record(&scene.exchange->chain);
    scene.exchange->chain.client_address = STR("192.0.2.7");
    assert_ptr_equal(log_record(&scene.exchange->chain).at, first.at);
    assert_int_equal(log_record(&scene.exchange->chain).len, first.len);
    end(&scene);
}

static void whatever_peers_send_it_stays_json(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "/\"\\\x01\xff?\"=%00%0a%22&\xff", "X-\"q: \t\"\\\x7f\xc2\x85\xff");
    check(read_record(&scene), "request.uri", "\"/\\\"\\\\\\u0001\xef\xbf\xbd?\\\"=%00%0a%22&\xef\xbf\xbd\"");
    end(&scene);
}

/* The longest texts there can be: a record must not grow with what peers send. */
static void long_texts_are_cut(void **state)
{
    struct scene scene;
    char *target = mem_alloc(100001);

    (void)state;
    memset(target, 0x01, 100000);
    target[0] = '/';
    target[100000] = '\0';
    begin(&scene, target, "");
    for (int i = 0; i < 100; i++)
        headers_add(&exchange_request(scene.exchange->exchange)->headers,
                    exchange_printf(scene.exchange->exchange, "x-%d", i), str_of(target));
    const cJSON *record = read_record(&scene);
    assert_true(scene.exchange->chain.record.len < (size_t)LOG_TEXTS_BYTES * 6 + 16384);
    const char *uri = at(record, "request.uri")->valuestring;
    assert_int_equal(strlen(uri), LOG_TEXT_BYTES + 3);
    assert_string_equal(uri + LOG_TEXT_BYTES, "...");
    check(record, "request.id", "\"0123456789abcdef0123456789abcdef\"");
    check(record, "response.status", "499");
    end(&scene);
    free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_told),
        cmocka_unit_test(empty_objects_stay_objects),
        cmocka_unit_test(sizes_have_the_head_in_them),
        cmocka_unit_test(the_answer_is_told),
        cmocka_unit_test(who_was_never_answered_has_left),
        cmocka_unit_test(the_way_upstream_is_told),
        cmocka_unit_test(times_are_of_the_wall),
        cmocka_unit_test(entities_are_those_of_the_admin_api),
        cmocka_unit_test(a_consumer_without_a_credential_is_not_authenticated),
        cmocka_unit_test(plugins_leave_numbers_for_the_log),
        cmocka_unit_test(it_is_written_once),
        cmocka_unit_test(whatever_peers_send_it_stays_json),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
