/*
 * Typed objects of upstreams, targets and certificates: what is written is what the data plane reads.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/str.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

#define ID    "\"id\":\"00000000-0000-4000-8000-000000000001\""
#define OTHER "00000000-0000-4000-8000-000000000002"

static void *decoded(const struct schema *schema, const char *json)
{
    cJSON *document = cJSON_Parse(json);
    struct err err = {0};
    void *object = NULL;
    size_t bytes;
    assert_non_null(document);
    if (!schema->decode(document, &object, &bytes, &err))
        object = NULL;
    cJSON_Delete(document);
    return object;
}

static void an_upstream_without_anything_has_the_defaults(void **state)
{
    (void)state;
    struct upstream *upstream = decoded(&upstream_schema, "{" ID ",\"name\":\"UP.test\"}");
    assert_string_equal(upstream->name, "up.test");
    assert_int_equal(upstream->balancing, BALANCING_ROUND_ROBIN);
    assert_int_equal(upstream->hash_on.input, HASH_NONE);
    assert_int_equal(upstream->slots, 10000);
    assert_false(upstream_probes(upstream));
    assert_false(upstream_watches(upstream));
    free(upstream);
}

static void the_name_of_a_hash_is_that_of_its_input(void **state)
{
    (void)state;
    struct upstream *upstream =
        decoded(&upstream_schema,
                "{" ID ",\"name\":\"u\",\"algorithm\":\"consistent-hashing\",\"hash_on\":\"header\","
                "\"hash_on_header\":\"X-A\",\"hash_fallback\":\"cookie\",\"hash_on_cookie\":\"c\","
                "\"hash_fallback_header\":\"X-B\"}");
    assert_int_equal(upstream->balancing, BALANCING_CONSISTENT_HASHING);
    assert_int_equal(upstream->hash_on.input, HASH_HEADER);
    assert_string_equal(upstream->hash_on.name, "X-A");
    assert_int_equal(upstream->hash_fallback.input, HASH_COOKIE);
    assert_string_equal(upstream->hash_fallback.name, "c");
    free(upstream);
}

static void health_checks_are_read_whole(void **state)
{
    (void)state;
    struct upstream *upstream = decoded(
        &upstream_schema,
        "{" ID ",\"name\":\"u\",\"healthchecks\":{\"threshold\":12.5,"
        "\"active\":{\"type\":\"https\",\"timeout\":0.5,\"concurrency\":3,\"http_path\":\"/ping\","
        "\"https_sni\":\"sni.test\",\"https_verify_certificate\":false,"
        "\"headers\":{\"X-P\":[\"1\",\"2\"]},"
        "\"healthy\":{\"interval\":1.5,\"http_statuses\":[200,999],\"successes\":2},"
        "\"unhealthy\":{\"interval\":2,\"http_statuses\":[500],\"http_failures\":3,\"tcp_failures\":4,"
        "\"timeouts\":5}},"
        "\"passive\":{\"unhealthy\":{\"http_statuses\":[429],\"http_failures\":1}}}}");
    const struct probe_settings *probe = &upstream->probe;
    assert_true(upstream->threshold > 12.4 && upstream->threshold < 12.6);
    assert_int_equal(probe->kind, PROBE_HTTPS);
    assert_int_equal(probe->timeout_ms, 500);
    assert_int_equal(probe->concurrency, 3);
    assert_string_equal(probe->path, "/ping");
    assert_string_equal(probe->server_name, "sni.test");
    assert_false(probe->verify);
    assert_int_equal(probe->header_count, 1);
    assert_string_equal(probe->headers[0].name, "X-P");
    assert_int_equal(probe->headers[0].values.count, 2);
    assert_int_equal(probe->healthy_interval_ms, 1500);
    assert_int_equal(probe->unhealthy_interval_ms, 2000);
    assert_true(statuses_have(&upstream->active.healthy, 200));
    assert_true(statuses_have(&upstream->active.healthy, 999));
    assert_false(statuses_have(&upstream->active.healthy, 500));
    assert_false(statuses_have(&upstream->active.healthy, 100000));
    assert_int_equal(upstream->active.limits.successes, 2);
    assert_int_equal(upstream->active.limits.http_failures, 3);
    assert_int_equal(upstream->active.limits.tcp_failures, 4);
    assert_int_equal(upstream->active.limits.timeouts, 5);
    assert_true(upstream_probes(upstream));
    assert_true(upstream_watches(upstream));
    free(upstream);
}

static void check_target(const char *text, const char *host, int port)
{
    struct buf json = {0};
    buf_printf(&json, "{" ID ",\"target\":\"%s\",\"upstream\":{\"id\":\"" OTHER "\"}}", text);
    struct target *target = decoded(&target_schema, json.at);
    buf_fini(&json);
    if (host == NULL) {
        assert_null(target);
        return;
    }
    assert_string_equal(target->host, host);
    assert_int_equal(target->port, port);
    assert_int_equal(target->weight, 100);
    free(target);
}

static void a_target_is_a_host_and_a_port(void **state)
{
    (void)state;
    check_target("a.test:80", "a.test", 80);
    check_target("A.test:65535", "a.test", 65535);
    check_target("10.0.0.1:8000", "10.0.0.1", 8000);
    check_target("[0000:0000:0000:0000:0000:0000:0000:0001]:1", "0000:0000:0000:0000:0000:0000:0000:0001", 1);
    check_target("no-port", NULL, 0);
    check_target("a.test:65536", NULL, 0);
    check_target("a.test:", NULL, 0);
}

static void a_service_knows_its_certificates(void **state)
{
    (void)state;
    struct service *service =
        decoded(&service_schema, "{" ID ",\"host\":\"h\",\"client_certificate\":{\"id\":\"" OTHER "\"},"
                                 "\"ca_certificates\":[\"" OTHER "\",\"no\"]}");
    assert_false(uuid_is_nil(&service->client_certificate));
    assert_int_equal(service->authority_count, 1);
    assert_true(uuid_equal(&service->authorities[0], &service->client_certificate));
    free(service);
}

static void names_of_certificates_are_compared_in_lower_case(void **state)
{
    (void)state;
    struct sni *sni =
        decoded(&sni_schema, "{" ID ",\"name\":\"*.A.test\",\"certificate\":{\"id\":\"" OTHER "\"}}");
    assert_string_equal(sni->name, "*.a.test");
    assert_false(uuid_is_nil(&sni->certificate));
    free(sni);
    assert_null(decoded(&sni_schema, "{" ID ",\"name\":\"a.test\"}"));
    assert_null(decoded(&certificate_schema, "{" ID ",\"cert\":\"x\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upstream_without_anything_has_the_defaults),
        cmocka_unit_test(the_name_of_a_hash_is_that_of_its_input),
        cmocka_unit_test(health_checks_are_read_whole),
        cmocka_unit_test(a_target_is_a_host_and_a_port),
        cmocka_unit_test(a_service_knows_its_certificates),
        cmocka_unit_test(names_of_certificates_are_compared_in_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
