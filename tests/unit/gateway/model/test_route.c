/*
 * Routes: defaults and every refusal of the Admin API reference (2.2).
 */

#include "bodies.h"

#define HTTPS_TEXT                                                                                           \
    "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"
#define EIGHT    "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"
#define SNI_TEXT "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"

static void run_cases(const struct body_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_case(NULL, &route_schema, DOCUMENT_CREATE, &cases[i]);
}

static void assert_defaults(const char *body, const char *expected)
{
    cJSON *document = accepted(NULL, &route_schema, body);
    cJSON_DeleteItemFromObject(document, "id");
    assert_json(document, expected);
    cJSON_Delete(document);
}

static void what_is_left_out_gets_its_default(void **state)
{
    (void)state;
    assert_defaults("{\"paths\":[\"/a\"]}",
                    "{\"created_at\":1795400100,\"updated_at\":1795400100,\"name\":null,"
                    "\"protocols\":[\"http\",\"https\"],\"https_redirect_status_code\":426,"
                    "\"strip_path\":true,\"preserve_host\":false,\"request_buffering\":true,"
                    "\"response_buffering\":true,\"tags\":null,\"service\":null,\"snis\":null,"
                    "\"sources\":null,\"destinations\":null,\"methods\":null,\"hosts\":null,"
                    "\"paths\":[\"/a\"],\"headers\":null,\"regex_priority\":0,\"path_handling\":\"v0\"}");
    assert_defaults("{\"hosts\":[\"a\"],\"protocols\":[\"grpc\",\"grpcs\"]}",
                    "{\"created_at\":1795400100,\"updated_at\":1795400100,\"name\":null,"
                    "\"protocols\":[\"grpc\",\"grpcs\"],\"https_redirect_status_code\":426,"
                    "\"strip_path\":false,\"preserve_host\":false,\"request_buffering\":true,"
                    "\"response_buffering\":true,\"tags\":null,\"service\":null,\"snis\":null,"
                    "\"sources\":null,\"destinations\":null,\"methods\":null,\"hosts\":[\"a\"],"
                    "\"paths\":null,\"headers\":null,\"regex_priority\":0,\"path_handling\":\"v0\"}");
}

static void something_must_be_matched(void **state)
{
    static const struct body_case cases[] = {
        {"{}", "{\"@entity\":[\"" HTTPS_TEXT "\"]}", "schema violation (" HTTPS_TEXT ")"},
        {"{\"paths\":[],\"hosts\":null,\"headers\":{},\"methods\":[]}", "{\"@entity\":[\"" HTTPS_TEXT "\"]}",
         NULL},
        {"{\"protocols\":[\"http\"]}",
         "{\"@entity\":[\"must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is "
         "'http'\"]}",
         NULL},
        {"{\"protocols\":[\"https\"],\"snis\":[\"a.test\"]}", NULL, NULL},
        {"{\"protocols\":[\"https\",\"http\"]}", "{\"@entity\":[\"" HTTPS_TEXT "\"]}", NULL},
        {"{\"methods\":[\"GET\"]}", NULL, NULL},
        {"{\"headers\":{\"x\":[\"1\"]}}", NULL, NULL},
        {"{\"protocols\":[\"tcp\"]}",
         "{\"@entity\":[\"must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', "
         "'tls' or 'udp'\"]}",
         NULL},
        {"{\"protocols\":[\"tls\"],\"snis\":[\"a.test\"]}", NULL, NULL},
        {"{\"protocols\":[\"tls_passthrough\"],\"sources\":[{\"port\":1}]}",
         "{\"@entity\":[\"must set snis when 'protocols' is 'tls_passthrough'\"]}", NULL},
        {"{\"protocols\":[\"tls_passthrough\"],\"snis\":[\"a.test\"]}", NULL, NULL},
        {"{\"protocols\":[\"grpc\"]}",
         "{\"@entity\":[\"must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'\"]}", NULL},
        {"{\"protocols\":[\"grpcs\"]}",
         "{\"@entity\":[\"must set one of 'hosts', 'headers', 'paths', 'snis' when 'protocols' is "
         "'grpcs'\"]}",
         NULL},
    };
    (void)state;
    run_cases(cases, COUNT(cases));
}

static void what_does_not_go_with_the_family_is_refused(void **state)
{
    static const struct body_case cases[] = {
        {"{\"paths\":[\"/\"],\"sources\":[{\"port\":1}],\"destinations\":[{\"port\":1}]}",
         "{\"sources\":\"cannot set 'sources' when 'protocols' is 'http' or 'https'\","
         "\"destinations\":\"cannot set 'destinations' when 'protocols' is 'http' or 'https'\"}",
         "2 schema violations (destinations: cannot set 'destinations' when 'protocols' is 'http' or "
         "'https'; sources: cannot set 'sources' when 'protocols' is 'http' or 'https')"},
        {"{\"protocols\":[\"udp\"],\"sources\":[{\"port\":1}],\"paths\":[\"/\"]}",
         "{\"paths\":\"cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'\"}",
         NULL},
        {"{\"protocols\":[\"tls_passthrough\"],\"snis\":[\"a\"],\"methods\":[\"GET\"]}",
         "{\"methods\":\"cannot set 'methods' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or "
         "'udp'\"}",
         NULL},
        {"{\"protocols\":[\"grpc\"],\"paths\":[\"/\"],\"methods\":[\"GET\"],\"strip_path\":true}",
         "{\"methods\":\"cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'\","
         "\"strip_path\":\"cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'\"}",
         NULL},
        {"{\"protocols\":[\"http\"],\"paths\":[\"/\"],\"snis\":[\"a\"]}",
         "{\"@entity\":[\"" SNI_TEXT "\"],\"snis\":\"length must be 0\"}",
         "2 schema violations (" SNI_TEXT "; snis: length must be 0)"},
    };
    (void)state;
    run_cases(cases, COUNT(cases));
}

static void protocols_are_of_one_group(void **state)
{
    static const struct body_case cases[] = {
        {"{\"paths\":[\"/\"],\"protocols\":[\"foo\"]}", "{\"protocols\":\"unknown type: foo\"}",
         "schema violation (protocols: unknown type: foo)"},
        {"{\"paths\":[\"/\"],\"protocols\":[]}", "{\"protocols\":\"unknown type: nil\"}", NULL},
        {"{\"paths\":[\"/\"],\"protocols\":[\"foo\",\"http\"]}", "{\"protocols\":[\"" EIGHT "\"]}",
         "schema violation (protocols.1: " EIGHT ")"},
        {"{\"paths\":[\"/\"],\"protocols\":null}", "{\"protocols\":\"required field missing\"}", NULL},
        {"{\"paths\":[\"/\"],\"protocols\":\"http\"}", "{\"protocols\":\"expected a set\"}", NULL},
        {"{\"paths\":[\"/\"],\"protocols\":[\"tcp\",\"http\"]}",
         "{\"protocols\":\"these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')\"}",
         NULL},
        {"{\"paths\":[\"/\"],\"protocols\":[\"https\",\"http\",\"https\"]}", NULL, NULL},
    };
    (void)state;
    run_cases(cases, COUNT(cases));
}

/* A case with one path. */
static void check_path(const char *path, const char *message)
{
    char body[256];
    char fields[512];
    snprintf(body, sizeof(body), "{\"paths\":[\"/ok\",\"%s\"]}", path);
    snprintf(fields, sizeof(fields), "{\"paths\":[null,\"%s\"]}", message != NULL ? message : "");
    const struct body_case one = {body, message != NULL ? fields : NULL, NULL};
    run_case(NULL, &route_schema, DOCUMENT_CREATE, &one);
}

static void paths_are_normal_or_patterns(void **state)
{
    (void)state;
    static const char *const good[] = {"/a",          "/",      "/a b",       "/caf\xc3\xa9",
                                       "/a<b",        "/a%2F",  "/a%2Fb%3Fc", "~/v[0-9]+/items$",
                                       "~/(?<n>a|b)", "/.a/..b"};
    for (size_t i = 0; i < COUNT(good); i++)
        check_path(good[i], NULL);
    check_path("a/b", "should start with: / (fixed path) or ~/ (regex path)");
    check_path("*", "should start with: / (fixed path) or ~/ (regex path)");
    check_path("~a", "should start with: / (fixed path) or ~/ (regex path)");
    check_path("/a//b", "must not have empty segments");
    check_path("~/a//b", "must not have empty segments");
    check_path("a//b", "must not have empty segments");
    check_path("/a/../b", "non-normalized path, consider use '/b' instead");
    check_path("/a/./b", "non-normalized path, consider use '/a/b' instead");
    check_path("/%61", "non-normalized path, consider use '/a' instead");
    check_path("/%20", "non-normalized path, consider use '/ ' instead");
    check_path("/caf%C3%A9", "non-normalized path, consider use '/caf\xc3\xa9' instead");
    check_path("/a%2fb", "non-normalized path, consider use '/a%2Fb' instead");
    check_path("/..", "non-normalized path, consider use '/' instead");
    check_path("/a%zz", "invalid url-encoded value: '%zz'");
    check_path("/a b%zz", NULL);
    check_path("", "length must be at least 1");
    check_path("~/(a", "invalid regex: '/(a' (PCRE returned: pcre_compile() failed: missing closing "
                       "parenthesis in \\\"/(a\\\")");
}

static void patterns_do_not_look_around(void **state)
{
    static const char *const bad[] = {"~/a(?=b)", "~/a(?!b)", "~/(?<=a)b", "~/(?<!a)b", "~/(a)\\\\1"};
    static const char *const good[] = {"~/[(?=]", "~/\\\\(?=", "~/[\\\\1]", "~/(?:a)", "~/[]a]+"};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"paths\":[\"%s\"]}", bad[i]);
        struct violations violations = {0};
        cJSON *document = parse(body);
        assert_false(complete(NULL, &route_schema, DOCUMENT_CREATE, document, &violations));
        const cJSON *entity = cJSON_GetObjectItem(violations.fields, "@entity");
        assert_int_equal(cJSON_GetArraySize(violations.fields), 1);
        assert_int_equal(cJSON_GetArraySize(entity), 1);
        assert_non_null(strstr(entity->child->valuestring, "Router Expression failed validation"));
        violations_fini(&violations);
        cJSON_Delete(document);
    }
    for (size_t i = 0; i < COUNT(good); i++)
        check_path(good[i], NULL);
}

static void hosts_have_one_wildcard_at_one_end(void **state)
{
    static const struct {
        const char *host, *message;
    } cases[] = {
        {"a.test", NULL},
        {"*.a.test", NULL},
        {"a.*", NULL},
        {"a.test:8080", NULL},
        {"*.a.test:80", NULL},
        {"10.0.0.1", NULL},
        {"[::1]:80", NULL},
        {"a b", "invalid hostname: a b"},
        {"a.test:x", "invalid port number"},
        {"a.test:99999", "invalid port number"},
        {"*.a.*", "invalid wildcard: must have at most one wildcard"},
        {"a.*.b", "invalid wildcard: must be placed at leftmost or rightmost label"},
        {"a*", "invalid wildcard: must be placed at leftmost or rightmost label"},
        {"*a", "invalid wildcard: must be placed at leftmost or rightmost label"},
        {"*", "invalid wildcard: must be placed at leftmost or rightmost label"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[128];
        char fields[256];
        snprintf(body, sizeof(body), "{\"hosts\":[\"%s\"]}", cases[i].host);
        snprintf(fields, sizeof(fields), "{\"hosts\":[\"%s\"]}",
                 cases[i].message != NULL ? cases[i].message : "");
        const struct body_case one = {body, cases[i].message != NULL ? fields : NULL, NULL};
        run_case(NULL, &route_schema, DOCUMENT_CREATE, &one);
    }
}

static void lists_are_told_by_position(void **state)
{
    static const struct body_case cases[] = {
        {"{\"methods\":[\"GET\",\"get\"]}", "{\"methods\":[null,\"invalid value: get\"]}",
         "schema violation (methods.2: invalid value: get)"},
        {"{\"paths\":\"/a\"}", "{\"paths\":\"expected an array\"}", NULL},
        {"{\"snis\":[\"1.2.3.4\",\"a:1\",\"a b\",\"a.test\"]}",
         "{\"snis\":[\"must not be an IP\",\"must not have a port\",\"invalid value: a b\"]}", NULL},
        {"{\"protocols\":[\"tcp\"],\"sources\":[{\"ip\":\"10.0.0.0/8\"},{\"ip\":\"x\"},{},{\"port\":-1}]}",
         "{\"sources\":[null,{\"ip\":\"invalid ip or cidr range: 'x'\"},{\"@entity\":[\"at least one of "
         "these fields must be non-empty: 'ip', 'port'\"]},{\"port\":\"value should be between 0 and "
         "65535\"}]}",
         "3 schema violations (sources.2: {\n  ip = \"invalid ip or cidr range: 'x'\"\n}; sources.3: {\n  "
         "[\"@entity\"] = {\n    \"at least one of these fields must be non-empty: 'ip', 'port'\"\n  }\n}; "
         "sources.4: {\n  port = \"value should be between 0 and 65535\"\n})"},
        {"{\"protocols\":[\"tcp\"],\"sources\":[{\"ip\":\"::/129\"}]}",
         "{\"sources\":[{\"ip\":\"invalid ip or cidr range: '::/129'\"}]}", NULL},
    };
    (void)state;
    run_cases(cases, COUNT(cases));
}

static void headers_are_lists_by_name(void **state)
{
    static const struct body_case cases[] = {
        {"{\"headers\":{\"Host\":[\"a\"]}}",
         "{\"headers\":\"cannot contain 'host' header, which must be specified in the 'hosts' attribute\"}",
         NULL},
        {"{\"headers\":{\"x\":\"a\"}}", "{\"headers\":\"expected an array\"}",
         "schema violation (headers: expected an array)"},
        {"{\"headers\":{\"x y\":[\"a\"]}}",
         "{\"headers\":\"bad header name 'x y', allowed characters are A-Z, a-z, 0-9, '_', and '-'\"}", NULL},
        {"{\"headers\":[\"x\"]}", "{\"headers\":\"expected a map\"}", NULL},
        {"{\"headers\":{\"x\":[1]}}", "{\"headers\":[\"expected a string\"]}", NULL},
        {"{\"headers\":{\"x\":null}}", "{\"headers\":\"required field missing\"}", NULL},
    };
    (void)state;
    run_cases(cases, COUNT(cases));
}

static void single_values_are_checked(void **state)
{
    static const struct body_case cases[] = {
        {"{\"paths\":[\"/\"],\"https_redirect_status_code\":303}",
         "{\"https_redirect_status_code\":\"expected one of: 426, 301, 302, 307, 308\"}", NULL},
        {"{\"paths\":[\"/\"],\"https_redirect_status_code\":308}", NULL, NULL},
        {"{\"paths\":[\"/\"],\"path_handling\":\"v2\"}", "{\"path_handling\":\"expected one of: v0, v1\"}",
         NULL},
        {"{\"paths\":[\"/\"],\"regex_priority\":1.5}", "{\"regex_priority\":\"expected an integer\"}", NULL},
        {"{\"paths\":[\"/\"],\"regex_priority\":9007199254740994}",
         "{\"regex_priority\":\"expected an integer\"}", NULL},
        {"{\"paths\":[\"/\"],\"strip_path\":\"true\"}", "{\"strip_path\":\"expected a boolean\"}", NULL},
        {"{\"paths\":[\"/\"],\"expression\":\"x\"}", "{\"expression\":\"unknown field\"}", NULL},
        {"{\"paths\":[\"/\"],\"service\":\"x\"}", "{\"service\":{\"id\":\"missing primary key\"}}",
         "schema violation (service.id: missing primary key)"},
        {"{\"paths\":[\"/\"],\"service\":{}}", "{\"service\":{\"id\":\"missing primary key\"}}", NULL},
        {"{\"paths\":[\"/\"],\"service\":{\"id\":null}}", "{\"service\":{\"id\":\"required field missing\"}}",
         NULL},
        {"{\"paths\":[\"/\"],\"service\":{\"id\":\"zz\"}}",
         "{\"service\":{\"id\":\"expected a valid UUID\"}}", NULL},
    };
    (void)state;
    run_cases(cases, COUNT(cases));
}

static void references_are_reduced_to_their_id(void **state)
{
    (void)state;
    cJSON *document = accepted(NULL, &route_schema,
                               "{\"paths\":[\"/\"],\"service\":{\"name\":\"x\",\"id\":\"0C8D6A51-0C1E-4B55-"
                               "9A53-4A1C7F0F8E11\",\"port\":1}}");
    assert_member(document, "service", "{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}");
    cJSON_Delete(document);
}

static void an_http_route_does_not_become_grpc_unnoticed(void **state)
{
    (void)state;
    struct violations violations = {0};
    cJSON *stored = accepted(NULL, &route_schema, "{\"paths\":[\"/\"]}");
    cJSON *change = parse("{\"protocols\":[\"grpc\"]}");
    document_merge(&route_schema, NULL, stored, change);
    assert_false(complete(NULL, &route_schema, DOCUMENT_UPDATE, stored, &violations));
    assert_json(violations.fields,
                "{\"strip_path\":\"cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'\"}");
    violations_fini(&violations);
    cJSON_Delete(change);
    cJSON_Delete(stored);
}

static void members_that_name_no_service_are_judged_as_its_fields(void **state)
{
    struct schemas *schemas = schemas_new();
    static const struct body_case rows[] = {
        {"{\"paths\":[\"/\"],\"service\":{\"protocol\":\"foo\",\"port\":1,\"x\":1}}",
         "{\"service\":{\"id\":\"missing primary key\",\"protocol\":\"expected one of: grpc, grpcs, http, "
         "https, "
         "tcp, tls, tls_passthrough, udp\"}}",
         NULL},
        {"{\"paths\":[\"/\"],\"service\":{\"protocol\":\"http\"}}",
         "{\"service\":{\"id\":\"missing primary key\"}}", NULL},
        {"{\"paths\":[\"/"
         "\"],\"service\":{\"id\":\"00000000-0000-4000-8000-000000000001\",\"protocol\":\"foo\"}}",
         NULL, NULL},
    };
    (void)state;
    schemas_add_core(schemas);
    for (size_t i = 0; i < COUNT(rows); i++)
        run_case(schemas, &route_schema, DOCUMENT_CREATE, &rows[i]);
    schemas_free(schemas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_gets_its_default),
        cmocka_unit_test(something_must_be_matched),
        cmocka_unit_test(what_does_not_go_with_the_family_is_refused),
        cmocka_unit_test(protocols_are_of_one_group),
        cmocka_unit_test(paths_are_normal_or_patterns),
        cmocka_unit_test(members_that_name_no_service_are_judged_as_its_fields),
        cmocka_unit_test(patterns_do_not_look_around),
        cmocka_unit_test(hosts_have_one_wildcard_at_one_end),
        cmocka_unit_test(lists_are_told_by_position),
        cmocka_unit_test(headers_are_lists_by_name),
        cmocka_unit_test(single_values_are_checked),
        cmocka_unit_test(references_are_reduced_to_their_id),
        cmocka_unit_test(an_http_route_does_not_become_grpc_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
