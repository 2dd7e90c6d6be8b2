/*
 * From a document to a typed object and back, and what it costs.
 */

#include "plugins.h"

enum {
    ROUTE_BYTES_MAX = 600 /* of a typical route: ten thousand of them in 6 MB */
};

#define ID "0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"

static void *decoded(const struct schema *schema, const cJSON *document, size_t *bytes)
{
    void *object = NULL;
    struct err err;
    if (!schema->decode(document, &object, bytes, &err))
        fail_msg("%s", err.text);
    return object;
}

/* What is shown is the document without its nulls, plus the workspace. `left_out`: not part of the object. */
static void assert_round_trip(const struct schemas *schemas, const struct schema *schema, const char *body,
                              const char *const *left_out)
{
    size_t bytes;
    cJSON *document = accepted(schemas, schema, body);
    void *object = decoded(schema, document, &bytes);
    cJSON *shown = schema->show(object);
    for (cJSON *child = document->child, *next; child != NULL; child = next) {
        next = child->next;
        if (cJSON_IsNull(child))
            cJSON_Delete(cJSON_DetachItemViaPointer(document, child));
    }
    for (; *left_out != NULL; left_out++)
        cJSON_DeleteItemFromObject(document, *left_out);
    if (schema != &consumer_schema)
        cJSON_AddStringToObject(document, "ws_id", DEFAULT_WORKSPACE);
    char *text = cJSON_PrintUnformatted(document);
    assert_json(shown, text);
    free(text);
    cJSON_Delete(shown);
    cJSON_Delete(document);
    schema->release(object);
}

static void what_is_decoded_is_shown_again(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const of_route[] = {"path_handling", NULL};
    assert_round_trip(*state, &service_schema, "{\"host\":\"a\"}", none);
    assert_round_trip(*state, &service_schema,
                      "{\"host\":\"a\",\"name\":\"n\",\"protocol\":\"https\",\"path\":\"/p\",\"port\":0,"
                      "\"tags\":[\"x\",\"y\"],\"tls_verify\":false,\"tls_verify_depth\":0,\"enabled\":false,"
                      "\"retries\":0,\"connect_timeout\":1,\"read_timeout\":2,\"write_timeout\":3}",
                      none);
    assert_round_trip(*state, &consumer_schema,
                      "{\"username\":\"caf\xc3\xa9\",\"custom_id\":\"7\",\"tags\":[\"a\"]}", none);
    assert_round_trip(*state, &consumer_schema, "{\"custom_id\":\"7\"}", none);
    assert_round_trip(*state, &route_schema, "{\"paths\":[\"/\"]}", of_route);
    assert_round_trip(
        *state, &route_schema,
        "{\"name\":\"r\",\"protocols\":[\"http\",\"https\"],\"methods\":[\"GET\",\"PUT\"],"
        "\"hosts\":[\"*.a\",\"b:80\"],\"paths\":[\"/a\",\"~/b$\"],\"snis\":[\"s\"],"
        "\"headers\":{\"x-a\":[\"1\",\"~*2\"],\"y\":[\" \"]},\"https_redirect_status_code\":301,"
        "\"regex_priority\":-5,\"strip_path\":false,\"preserve_host\":true,"
        "\"request_buffering\":false,\"response_buffering\":false,\"tags\":[\"t\"],"
        "\"service\":{\"id\":\"" ID "\"}}",
        of_route);
}

static void a_route_is_read_field_by_field(void **state)
{
    size_t bytes;
    cJSON *document = accepted(*state, &route_schema,
                               "{\"hosts\":[\"a\",\"b\"],\"headers\":{\"X_Tenant\":[\"1\",\"2\"],\"Z\":[]},"
                               "\"protocols\":[\"https\"],\"snis\":[\"s\"],\"paths\":[]}");
    struct route *route = decoded(&route_schema, document, &bytes);
    cJSON_Delete(document);
    assert_null(route->name);
    assert_int_equal(route->protocols, PROTOCOL_HTTPS);
    assert_int_equal(route->hosts.count, 2);
    assert_string_equal(route->hosts.at[1], "b");
    assert_int_equal(route->paths.count, 0);
    assert_int_equal(route->header_count, 2);
    assert_string_equal(route->headers[0].name, "x-tenant");
    assert_int_equal(route->headers[0].values.count, 2);
    assert_string_equal(route->headers[0].values.at[0], "1");
    assert_string_equal(route->headers[1].name, "z");
    assert_int_equal(route->headers[1].values.count, 0);
    assert_true(uuid_is_nil(&route->service));
    route_schema.release(route);
}

static void a_plugin_has_its_config(void **state)
{
    size_t bytes;
    cJSON *document = accepted(*state, &plugin_setting_schema,
                               "{\"name\":\"limit\",\"instance_name\":\"i\",\"config\":{\"minute\":2},"
                               "\"consumer\":{\"id\":\"" ID "\"},\"tags\":[\"t\"],\"enabled\":false}");
    struct plugin_setting *setting = decoded(&plugin_setting_schema, document, &bytes);
    assert_string_equal(setting->name, "limit");
    assert_string_equal(setting->instance_name, "i");
    assert_false(setting->enabled);
    assert_true(uuid_is_nil(&setting->route));
    assert_false(uuid_is_nil(&setting->consumer));
    assert_string_equal(setting->tags.at[0], "t");
    assert_int_equal(setting->protocols, PROTOCOL_HTTP | PROTOCOL_HTTPS | PROTOCOL_GRPC | PROTOCOL_GRPCS);
    assert_true(cJSON_Compare(setting->config, cJSON_GetObjectItem(document, "config"), true));
    assert_true(bytes > sizeof(*setting) + 7 * sizeof(cJSON));
    cJSON *shown = plugin_setting_schema.show(setting);
    assert_member(shown, "consumer", "{\"id\":\"" ID "\"}");
    assert_null(cJSON_GetObjectItem(shown, "route"));
    cJSON_Delete(shown);
    cJSON_Delete(document);
    plugin_setting_schema.release(setting);
    plugin_setting_schema.release(NULL);
}

static void a_typical_route_is_small(void **state)
{
    size_t bytes;
    cJSON *document = accepted(*state, &route_schema,
                               "{\"name\":\"billing-invoices-v1\",\"hosts\":[\"billing.example.com\"],"
                               "\"paths\":[\"/v1/invoices\"],\"methods\":[\"GET\",\"POST\"],"
                               "\"tags\":[\"team-a\"],\"service\":{\"id\":\"" ID "\"}}");
    void *route = decoded(&route_schema, document, &bytes);
    assert_true(bytes < ROUTE_BYTES_MAX);
    print_message("a typical route: %zu bytes of %zu for the struct\n", bytes, sizeof(struct route));
    route_schema.release(route);
    cJSON_Delete(document);
}

static void half_a_row_is_refused(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *document;
    } cases[] = {
        {&service_schema, "{}"},
        {&service_schema, "{\"id\":\"" ID "\"}"},
        {&service_schema, "{\"host\":\"a\",\"id\":5}"},
        {&route_schema, "{\"id\":\"x\"}"},
        {&consumer_schema, "{\"username\":\"a\"}"},
        {&plugin_setting_schema, "{\"id\":\"" ID "\"}"},
        {&plugin_setting_schema, "{\"name\":\"a\"}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        cJSON *document = parse(cases[i].document);
        void *object = NULL;
        size_t bytes = 0;
        struct err err = {0};
        assert_false(cases[i].schema->decode(document, &object, &bytes, &err));
        assert_null(object);
        assert_int_equal(err.code, ERR_INVALID);
        cJSON_Delete(document);
    }
}

static void a_row_of_another_version_is_read_as_far_as_it_goes(void **state)
{
    size_t bytes;
    (void)state;
    cJSON *document = parse("{\"id\":\"" ID "\",\"paths\":[\"/a\",null,7,\"/b\"],\"headers\":[],"
                            "\"protocols\":[\"spdy\",\"http\",1],\"regex_priority\":1e300,\"hosts\":\"x\","
                            "\"service\":{\"id\":null},\"strip_path\":\"yes\"}");
    struct route *route = decoded(&route_schema, document, &bytes);
    assert_int_equal(route->paths.count, 2);
    assert_string_equal(route->paths.at[1], "/b");
    assert_int_equal(route->protocols, PROTOCOL_HTTP);
    assert_int_equal(route->regex_priority, 0);
    assert_int_equal(route->hosts.count, 0);
    assert_int_equal(route->header_count, 0);
    assert_true(route->strip_path);
    route_schema.release(route);
    cJSON_Delete(document);
}

static void protocols_have_one_bit_each(void **state)
{
    static const char *const names[] = {"grpc", "grpcs",           "http", "https", "tcp",
                                        "tls",  "tls_passthrough", "udp"};
    unsigned all = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_string_equal(protocol_name(protocol_of(names[i])), names[i]);
        all |= protocol_of(names[i]);
    }
    assert_int_equal(all, 255);
    assert_int_equal(protocol_of("HTTP"), 0);
    assert_int_equal(protocol_of(NULL), 0);
    assert_string_equal(protocol_name(0), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_decoded_is_shown_again),
        cmocka_unit_test(a_route_is_read_field_by_field),
        cmocka_unit_test(a_plugin_has_its_config),
        cmocka_unit_test(a_typical_route_is_small),
        cmocka_unit_test(half_a_row_is_refused),
        cmocka_unit_test(a_row_of_another_version_is_read_as_far_as_it_goes),
        cmocka_unit_test(protocols_have_one_bit_each),
    };
    return cmocka_run_group_tests(tests, plugins_setup, plugins_teardown);
}
