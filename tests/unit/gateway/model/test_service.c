/*
 * Services: defaults, every refusal of the Admin API reference (2.1), and url.
 */

#include "bodies.h"

#define PATH_NULL                                                                                            \
    "{\"path\":\"value must be null\",\"@entity\":[\"failed conditional validation given value of field "    \
    "'protocol'\"]}"

static void a_host_is_enough(void **state)
{
    (void)state;
    cJSON *document = accepted(NULL, &service_schema, "{\"host\":\"a.test\",\"id\":null}");
    struct uuid id;
    assert_true(document_id(document, &id));
    cJSON_DeleteItemFromObject(document, "id");
    assert_json(document, "{\"created_at\":1795400100,\"updated_at\":1795400100,\"name\":null,\"retries\":5,"
                          "\"protocol\":\"http\",\"host\":\"a.test\",\"port\":80,\"path\":null,"
                          "\"connect_timeout\":60000,\"write_timeout\":60000,\"read_timeout\":60000,"
                          "\"tags\":null,\"client_certificate\":null,\"tls_verify\":null,"
                          "\"tls_verify_depth\":null,\"ca_certificates\":null,\"enabled\":true}");
    cJSON_Delete(document);
}

static void fields_stand_in_the_order_of_the_schema(void **state)
{
    (void)state;
    cJSON *document = accepted(NULL, &service_schema, "{\"enabled\":true,\"host\":\"a\",\"name\":\"b\"}");
    const cJSON *child = document->child;
    for (size_t i = 0; i < service_schema.field_count; i++, child = child->next)
        assert_string_equal(child->string, service_schema.fields[i].name);
    assert_null(child);
    cJSON_Delete(document);
}

static void wrong_fields_are_told(void **state)
{
    static const struct body_case cases[] = {
        {"{}", "{\"host\":\"required field missing\"}", "schema violation (host: required field missing)"},
        {"{\"host\":null}", "{\"host\":\"required field missing\"}", NULL},
        {"{\"host\":\"\"}", "{\"host\":\"length must be at least 1\"}", NULL},
        {"{\"host\":1}", "{\"host\":\"expected a string\"}", NULL},
        {"{\"host\":\"a:80\"}", "{\"host\":\"must not have a port\"}", NULL},
        {"{\"host\":\"a b\"}", "{\"host\":\"invalid value: a b\"}", NULL},
        {"{\"host\":\".a\"}", "{\"host\":\"invalid value: .a\"}", NULL},
        {"{\"host\":\"a-.b\"}", "{\"host\":\"invalid value: a-.b\"}", NULL},
        {"{\"host\":\"a..b\"}", "{\"host\":\"invalid value: a..b\"}", NULL},
        {"{\"host\":\"a.test.\"}", NULL, NULL},
        {"{\"host\":\"::1\"}", NULL, NULL},
        {"{\"host\":\"10.0.0.1\"}", NULL, NULL},
        {"{\"host\":\"a_b.test\"}", NULL, NULL},
        {"{\"host\":\"a\",\"name\":\"a b\"}",
         "{\"name\":\"invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, "
         "and ~\"}",
         NULL},
        {"{\"host\":\"a\",\"name\":\"caf\xc3\xa9.-_~1\"}", NULL, NULL},
        {"{\"host\":\"a\",\"name\":\"ab\xff\"}",
         "{\"name\":\"invalid utf-8 character sequence detected at position 3\"}", NULL},
        {"{\"host\":\"a\",\"name\":\"\"}", "{\"name\":\"length must be at least 1\"}", NULL},
        {"{\"host\":\"a\",\"retries\":32768}", "{\"retries\":\"value should be between 0 and 32767\"}",
         "schema violation (retries: value should be between 0 and 32767)"},
        {"{\"host\":\"a\",\"retries\":-1}", "{\"retries\":\"value should be between 0 and 32767\"}", NULL},
        {"{\"host\":\"a\",\"port\":80.0}", NULL, NULL},
        {"{\"host\":\"a\",\"port\":80.5}", "{\"port\":\"expected an integer\"}", NULL},
        {"{\"host\":\"a\",\"port\":\"80\"}", "{\"port\":\"expected an integer\"}", NULL},
        {"{\"host\":\"a\",\"port\":1e999}", "{\"port\":\"expected an integer\"}", NULL},
        {"{\"host\":\"a\",\"port\":65536}", "{\"port\":\"value should be between 0 and 65535\"}", NULL},
        {"{\"host\":\"a\",\"port\":null}", "{\"port\":\"required field missing\"}", NULL},
        {"{\"host\":\"a\",\"port\":0}", NULL, NULL},
        {"{\"host\":\"a\",\"connect_timeout\":0}",
         "{\"connect_timeout\":\"value should be between 1 and 2147483646\"}", NULL},
        {"{\"host\":\"a\",\"read_timeout\":2147483647}",
         "{\"read_timeout\":\"value should be between 1 and 2147483646\"}", NULL},
        {"{\"host\":\"a\",\"write_timeout\":null}", NULL, NULL},
        {"{\"host\":\"a\",\"protocol\":\"foo\"}",
         "{\"protocol\":\"expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp\"}",
         NULL},
        {"{\"host\":\"a\",\"enabled\":1}", "{\"enabled\":\"expected a boolean\"}", NULL},
        {"{\"host\":\"a\",\"enabled\":null}", "{\"enabled\":\"required field missing\"}", NULL},
        {"{\"host\":\"a\",\"protocol\":\"https\",\"tls_verify_depth\":65}",
         "{\"tls_verify_depth\":\"value should be between 0 and 64\"}", NULL},
        {"{\"host\":\"a\",\"protocol\":\"https\",\"ca_certificates\":[\"x\"]}",
         "{\"ca_certificates\":[\"expected a valid UUID\"]}",
         "schema violation (ca_certificates.1: expected a valid UUID)"},
        {"{\"host\":\"a\",\"ws_id\":\"x\"}", "{\"ws_id\":\"unknown field\"}",
         "schema violation (ws_id: unknown field)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &service_schema, DOCUMENT_CREATE, &cases[i]);
}

static void paths_are_those_of_rfc_3986(void **state)
{
    static const struct body_case cases[] = {
        {"{\"host\":\"a\",\"path\":\"/v1%2F!\"}", NULL, NULL},
        {"{\"host\":\"a\",\"path\":\"v1\"}", "{\"path\":\"should start with: /\"}",
         "schema violation (path: should start with: /)"},
        {"{\"host\":\"a\",\"path\":\"/a//b\"}", "{\"path\":\"must not have empty segments\"}", NULL},
        {"{\"host\":\"a\",\"path\":\"/a<\"}",
         "{\"path\":\"invalid path: '/a<' (characters outside of the reserved list of RFC 3986 found)\"}",
         NULL},
        {"{\"host\":\"a\",\"path\":\"/a%zz\"}", "{\"path\":\"invalid url-encoded value: '%zz'\"}", NULL},
        {"{\"host\":\"a\",\"path\":\"/a%4\"}", "{\"path\":\"invalid url-encoded value: '%4'\"}", NULL},
        {"{\"host\":\"a\",\"path\":null}", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &service_schema, DOCUMENT_CREATE, &cases[i]);
}

static void tags_are_printable_words(void **state)
{
    static const struct body_case cases[] = {
        {"{\"host\":\"a\",\"tags\":[\"a b\",\"caf\xc3\xa9\"]}", NULL, NULL},
        {"{\"host\":\"a\",\"tags\":[]}", NULL, NULL},
        {"{\"host\":\"a\",\"tags\":{}}", NULL, NULL},
        {"{\"host\":\"a\",\"tags\":\"a\"}", "{\"tags\":\"expected a set\"}", NULL},
        {"{\"host\":\"a\",\"tags\":{\"a\":1}}", "{\"tags\":\"expected a set\"}", NULL},
        {"{\"host\":\"a\",\"tags\":[\"a,b\"]}",
         "{\"tags\":[\"invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 "
         "sequences\"]}",
         "schema violation (tags.1: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or "
         "valid utf-8 sequences)"},
        {"{\"host\":\"a\",\"tags\":[\"ok\",1,\"ok2\",null]}",
         "{\"tags\":[null,\"expected a string\",null,\"required field missing\"]}",
         "2 schema violations (tags.2: expected a string; tags.4: required field missing)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &service_schema, DOCUMENT_CREATE, &cases[i]);
}

static void what_does_not_go_with_the_protocol_is_null(void **state)
{
    static const struct body_case cases[] = {
        {"{\"host\":\"a\",\"protocol\":\"tcp\",\"path\":\"/a\"}", PATH_NULL,
         "2 schema violations (failed conditional validation given value of field 'protocol'; path: value "
         "must be null)"},
        {"{\"host\":\"a\",\"protocol\":\"grpcs\",\"path\":\"/a\"}", PATH_NULL, NULL},
        {"{\"host\":\"a\",\"protocol\":\"https\",\"path\":\"/a\",\"tls_verify\":true,"
         "\"tls_verify_depth\":1,\"ca_certificates\":[]}",
         NULL, NULL},
        {"{\"host\":\"a\",\"tls_verify\":false,\"tls_verify_depth\":1}",
         "{\"tls_verify\":\"value must be null\",\"tls_verify_depth\":\"value must be null\","
         "\"@entity\":[\"failed conditional validation given value of field 'protocol'\","
         "\"failed conditional validation given value of field 'protocol'\"]}",
         "4 schema violations (failed conditional validation given value of field 'protocol'; failed "
         "conditional validation given value of field 'protocol'; tls_verify: value must be null; "
         "tls_verify_depth: value must be null)"},
        /* a rule is judged only when what it reads is right by itself */
        {"{\"host\":\"a\",\"protocol\":\"foo\",\"path\":\"/a\",\"tls_verify\":true}",
         "{\"protocol\":\"expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp\"}",
         NULL},
        {"{\"host\":\"a\",\"protocol\":\"tcp\",\"path\":\"a\"}", "{\"path\":\"should start with: /\"}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &service_schema, DOCUMENT_CREATE, &cases[i]);
}

static void url_is_taken_apart(void **state)
{
    static const struct {
        const char *url, *protocol, *host;
        int port;
        const char *path;
    } cases[] = {
        {"https://api.test/v1", "https", "api.test", 443, "/v1"},
        {"http://api.test", "http", "api.test", 80, NULL},
        {"//api.test:443", "https", "api.test", 443, NULL},
        {"//api.test", "http", "api.test", 80, NULL},
        {"grpc://h", "grpc", "h", 80, NULL},
        {"tcp://h:5000", "tcp", "h", 5000, NULL},
        {"http://u:p@h/x?y=1#z", "http", "h", 80, "/x"},
        {"http://[::1]:81/", "http", "::1", 81, "/"},
        {"http://h?x=1", "http", "h", 80, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"url\":\"%s\",\"host\":\"other\",\"port\":1,\"path\":\"/other\"}",
                 cases[i].url);
        cJSON *document = accepted(NULL, &service_schema, body);
        assert_string_equal(document_text(document, "protocol"), cases[i].protocol);
        assert_string_equal(document_text(document, "host"), cases[i].host);
        assert_int_equal(document_int(document, "port", -1), cases[i].port);
        if (cases[i].path != NULL)
            assert_string_equal(document_text(document, "path"), cases[i].path);
        else
            assert_member(document, "path", "null");
        assert_null(cJSON_GetObjectItem(document, "url"));
        cJSON_Delete(document);
    }
}

static void what_is_no_url_is_refused(void **state)
{
    static const struct body_case cases[] = {
        {"{\"url\":\"\"}", "{\"url\":\"length must be at least 1\",\"host\":\"required field missing\"}",
         NULL},
        {"{\"url\":\"\",\"host\":\"a\"}", "{\"url\":\"length must be at least 1\"}",
         "schema violation (url: length must be at least 1)"},
        {"{\"url\":7,\"host\":\"a\"}", "{\"url\":\"expected a string\"}",
         "schema violation (url: expected a string)"},
        {"{\"url\":\"not a url\"}", "{\"host\":\"required field missing\",\"path\":\"should start with: /\"}",
         "2 schema violations (host: required field missing; path: should start with: /)"},
        {"{\"url\":\"h.test:9/q\"}",
         "{\"host\":\"required field missing\",\"path\":\"should start with: /\","
         "\"protocol\":\"expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp\"}",
         "3 schema violations (host: required field missing; path: should start with: /; protocol: expected "
         "one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp)"},
        {"{\"url\":\"http://h:99999\"}", "{\"port\":\"value should be between 0 and 65535\"}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &service_schema, DOCUMENT_CREATE, &cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_enough),
        cmocka_unit_test(fields_stand_in_the_order_of_the_schema),
        cmocka_unit_test(wrong_fields_are_told),
        cmocka_unit_test(paths_are_those_of_rfc_3986),
        cmocka_unit_test(tags_are_printable_words),
        cmocka_unit_test(what_does_not_go_with_the_protocol_is_null),
        cmocka_unit_test(url_is_taken_apart),
        cmocka_unit_test(what_is_no_url_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
