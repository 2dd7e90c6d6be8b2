/*
 * Upstreams and targets: defaults, what algorithm and hash do to each other, every rule over several fields,
 * the one form of a target.
 */

#include "bodies.h"
#include "gateway/model/upstream_checks.h"

static void a_name_is_enough(void **state)
{
    (void)state;
    cJSON *document = accepted(NULL, &upstream_schema, "{\"name\":\"a.test\"}");
    assert_member(document, "algorithm", "\"round-robin\"");
    assert_member(document, "hash_on", "\"none\"");
    assert_member(document, "hash_on_cookie_path", "\"/\"");
    assert_member(document, "slots", "10000");
    assert_member(document, "use_srv_name", "false");
    const cJSON *checks = cJSON_GetObjectItemCaseSensitive(document, "healthchecks");
    assert_member(checks, "threshold", "0");
    const cJSON *active = cJSON_GetObjectItemCaseSensitive(checks, "active");
    assert_member(active, "concurrency", "10");
    assert_member(active, "unhealthy",
                  "{\"http_statuses\":[429,404,500,501,502,503,504,505],\"tcp_failures\":0,\"timeouts\":0,"
                  "\"http_failures\":0,\"interval\":0}");
    cJSON_Delete(document);
}

static void algorithm_and_hash_follow_each_other(void **state)
{
    static const char *const rows[][3] = {
        {"{\"name\":\"a\",\"algorithm\":\"consistent-hashing\"}", "\"round-robin\"", "\"none\""},
        {"{\"name\":\"a\",\"hash_on\":\"ip\"}", "\"consistent-hashing\"", "\"ip\""},
        {"{\"name\":\"a\",\"hash_on\":\"ip\",\"algorithm\":\"round-robin\"}", "\"consistent-hashing\"",
         "\"ip\""},
        {"{\"name\":\"a\",\"hash_on\":\"ip\",\"algorithm\":\"least-connections\"}", "\"least-connections\"",
         "\"none\""},
        {"{\"name\":\"a\",\"hash_on\":\"ip\",\"algorithm\":\"latency\"}", "\"latency\"", "\"none\""},
        {"{\"name\":\"a\",\"hash_on\":null}", "\"round-robin\"", "\"none\""},
        {"{\"name\":\"a\",\"algorithm\":null}", "\"round-robin\"", "\"none\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cJSON *document = accepted(NULL, &upstream_schema, rows[i][0]);
        assert_member(document, "algorithm", rows[i][1]);
        assert_member(document, "hash_on", rows[i][2]);
        cJSON_Delete(document);
    }
}

#define GIVEN_ON       "\"@entity\":[\"failed conditional validation given value of field 'hash_on'\"]"
#define GIVEN_FALLBACK "\"@entity\":[\"failed conditional validation given value of field 'hash_fallback'\"]"
#define UP(more)       "{\"name\":\"a\"," more "}"

static void rules_over_several_fields_are_told(void **state)
{
    static const struct body_case cases[] = {
        {UP("\"hash_on\":\"header\""), "{\"hash_on_header\":\"required field missing\"," GIVEN_ON "}", NULL},
        {UP("\"hash_on\":\"cookie\""), "{\"hash_on_cookie\":\"required field missing\"," GIVEN_ON "}", NULL},
        {UP("\"hash_on\":\"ip\",\"hash_fallback\":\"cookie\""),
         "{\"hash_on_cookie\":\"required field missing\"," GIVEN_FALLBACK "}", NULL},
        {UP("\"hash_fallback\":\"ip\""), "{\"hash_fallback\":\"expected one of: none\"," GIVEN_ON "}",
         "2 schema violations (failed conditional validation given value of field 'hash_on'; hash_fallback: "
         "expected one of: none)"},
        {UP("\"hash_on\":\"ip\",\"hash_fallback\":\"x\""),
         "{\"hash_fallback\":\"expected one of: none, consumer, header, cookie, path, query_arg, "
         "uri_capture\"," GIVEN_ON "}",
         NULL},
        {UP("\"hash_on\":\"query_arg\",\"hash_on_query_arg\":\"q\",\"hash_fallback\":\"x\""),
         "{\"hash_fallback\":\"expected one of: none, consumer, ip, header, cookie, path, query_arg, "
         "uri_capture\"}",
         NULL},
        {UP("\"hash_on\":\"x\",\"hash_fallback\":\"ip\""),
         "{\"hash_on\":\"expected one of: none, consumer, ip, header, cookie, path, query_arg, "
         "uri_capture\"}",
         NULL},
        {UP("\"hash_on_header\":\"A\",\"hash_fallback_header\":\"A\""),
         "{\"@entity\":[\"values of these fields must be distinct: 'hash_on_header', "
         "'hash_fallback_header'\"]}",
         NULL},
        {UP("\"hash_on_header\":\"A\",\"hash_fallback_header\":\"B\""), NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &upstream_schema, DOCUMENT_CREATE, &cases[i]);
}

static void what_is_complete_stays_as_it_is(void **state)
{
    static const char *const bodies[] = {
        UP("\"algorithm\":\"latency\",\"hash_on\":\"consumer\",\"hash_fallback\":\"ip\""),
        UP("\"hash_on\":null,\"hash_fallback\":\"ip\""),
        UP("\"hash_fallback\":null"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct violations violations = {0};
        cJSON *document = accepted(NULL, &upstream_schema, bodies[i]);
        char *before = cJSON_PrintUnformatted(document);
        assert_true(complete(NULL, &upstream_schema, DOCUMENT_UPDATE, document, &violations));
        assert_json(document, before);
        free(before);
        cJSON_Delete(document);
    }
}

static void names_are_hosts(void **state)
{
    static const struct body_case cases[] = {
        {"{\"name\":\"a.b-c_d\"}", NULL, NULL},
        {"{\"name\":\"1.2.3.4.test\"}", NULL, NULL},
        {"{\"name\":\"x y\"}", "{\"name\":\"Invalid name ('x y'); must be a valid hostname\"}", NULL},
        {"{\"name\":\"[::1]\"}", "{\"name\":\"Invalid name ('[::1]'); no ip addresses allowed\"}", NULL},
        {"{\"name\":\"a:80\"}", "{\"name\":\"Invalid name ('a:80'); no port allowed\"}", NULL},
        {"{\"name\":\"1.2.3.4:80\"}", "{\"name\":\"Invalid name ('1.2.3.4:80'); no ip addresses allowed\"}",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &upstream_schema, DOCUMENT_CREATE, &cases[i]);
}

static void a_target_has_one_form(void **state)
{
    static const char *const rows[][2] = {
        {"a.test", "a.test:8000"},
        {"a.test:1", "a.test:1"},
        {"a.test.:1", "a.test.:1"},
        {"001.02.3.255", "1.2.3.255:8000"},
        {"::", "[0000:0000:0000:0000:0000:0000:0000:0000]:8000"},
        {"[fe80::1:2]:65535", "[fe80:0000:0000:0000:0000:0000:0001:0002]:65535"},
        {"::ffff:1.2.3.4", "[0000:0000:0000:0000:0000:ffff:0102:0304]:8000"},
        {"[1.2.3.4]", "1.2.3.4:8000"},
        {"", NULL},
        {":", NULL},
        {":80", NULL},
        {"[", NULL},
        {"[]", NULL},
        {"[]:80", NULL},
        {"[::1", NULL},
        {"[::1]80", NULL},
        {"[::1]:", NULL},
        {"a:", NULL},
        {"a:+1", NULL},
        {"a:65536", NULL},
        {"a:000080", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"256.1.1.1", NULL},
        {"a b", NULL},
    };
    char stored[TARGET_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool good = target_normalise(rows[i][0], stored);
        if (good != (rows[i][1] != NULL))
            fail_msg("%s: %s", rows[i][0], good ? stored : "refused");
        if (good)
            assert_string_equal(stored, rows[i][1]);
    }
}

static void what_a_target_is_told_depends_on_the_verb(void **state)
{
    static const struct body_case create = {
        "{\"target\":\"a b\",\"upstream\":{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}}",
        "{\"target\":\"Invalid target; not a valid hostname or ip address\"}", NULL};
    static const struct body_case update = {
        "{\"target\":\"a b\",\"upstream\":{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}}",
        "{\"target\":\"Invalid target ('a b'); not a valid hostname or ip address\"}", NULL};
    (void)state;
    run_case(NULL, &target_schema, DOCUMENT_CREATE, &create);
    run_case(NULL, &target_schema, DOCUMENT_UPDATE, &update);
}

static void times_of_targets_have_milliseconds(void **state)
{
    (void)state;
    cJSON *document =
        accepted(NULL, &target_schema,
                 "{\"target\":\"a\",\"upstream\":{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}}");
    assert_member(document, "created_at", "1795400100.25");
    assert_member(document, "updated_at", "1795400100.25");
    cJSON_Delete(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_enough),
        cmocka_unit_test(algorithm_and_hash_follow_each_other),
        cmocka_unit_test(rules_over_several_fields_are_told),
        cmocka_unit_test(what_is_complete_stays_as_it_is),
        cmocka_unit_test(names_are_hosts),
        cmocka_unit_test(a_target_has_one_form),
        cmocka_unit_test(what_a_target_is_told_depends_on_the_verb),
        cmocka_unit_test(times_of_targets_have_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
