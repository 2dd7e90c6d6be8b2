/*
 * Rows of plugins: the record behind `config` is that of the plugin named (Admin API reference 2.4).
 */

#include "plugins.h"

#define ID "\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\""

static void run_cases(const struct schemas *schemas, const struct body_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_case(schemas, &plugin_setting_schema, DOCUMENT_CREATE, &cases[i]);
}

static void a_name_is_enough(void **state)
{
    cJSON *document = accepted(*state, &plugin_setting_schema, "{\"name\":\"key-auth\"}");
    cJSON_DeleteItemFromObject(document, "id");
    assert_json(document, "{\"name\":\"key-auth\",\"instance_name\":null,\"created_at\":1795400100,"
                          "\"updated_at\":1795400100,\"route\":null,\"service\":null,\"consumer\":null,"
                          "\"config\":{\"key_names\":[\"apikey\"],\"hide_credentials\":false,"
                          "\"anonymous\":null},\"protocols\":[\"grpc\",\"grpcs\",\"http\",\"https\"],"
                          "\"enabled\":true,\"tags\":null}");
    cJSON_Delete(document);
}

static void without_a_plugin_nothing_else_is_told(void **state)
{
    static const struct body_case cases[] = {
        {"{\"config\":1,\"x\":2}", "{\"name\":\"required field missing\"}",
         "schema violation (name: required field missing)"},
        {"{\"name\":null}", "{\"name\":\"required field missing\"}", NULL},
        {"{\"name\":7}", "{\"name\":\"expected a string\"}", NULL},
        {"{\"name\":\"x\",\"config\":1}",
         "{\"name\":\"plugin 'x' not enabled; add it to the 'plugins' configuration property\"}",
         "schema violation (name: plugin 'x' not enabled; add it to the 'plugins' configuration property)"},
    };
    run_cases(*state, cases, COUNT(cases));
}

static void config_is_that_of_the_plugin(void **state)
{
    static const struct body_case cases[] = {
        {"{\"name\":\"key-auth\",\"config\":null}", "{\"config\":\"required field missing\"}", NULL},
        {"{\"name\":\"key-auth\",\"config\":\"x\"}", "{\"config\":\"expected a record\"}", NULL},
        {"{\"name\":\"key-auth\",\"config\":[]}", NULL, NULL},
        {"{\"name\":\"key-auth\",\"config\":{\"foo\":1}}", "{\"config\":{\"foo\":\"unknown field\"}}",
         "schema violation (config.foo: unknown field)"},
        {"{\"name\":\"key-auth\",\"config\":{\"a.b\":1,\"1\":2}}",
         "{\"config\":{\"a.b\":\"unknown field\",\"1\":\"unknown field\"}}", NULL},
        {"{\"name\":\"key-auth\",\"config\":{\"key_names\":null}}",
         "{\"config\":{\"key_names\":\"required field missing\"}}", NULL},
        {"{\"name\":\"key-auth\",\"config\":{\"key_names\":[\"a\",1]}}",
         "{\"config\":{\"key_names\":[null,\"expected a string\"]}}",
         "schema violation (config.key_names: {\n  null,\n  \"expected a string\"\n})"},
        {"{\"name\":\"limit\",\"config\":{\"minute\":\"10\"}}",
         "{\"config\":{\"minute\":\"expected a number\"}}",
         "schema violation (config.minute: expected a number)"},
        {"{\"name\":\"limit\",\"config\":{\"minute\":0}}",
         "{\"config\":{\"minute\":\"value must be greater than 0\"}}", NULL},
        {"{\"name\":\"limit\"}",
         "{\"config\":{\"@entity\":[\"at least one of these fields must be non-empty: 'second', "
         "'minute'\"]}}",
         NULL},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1,\"policy\":\"\"}}",
         "{\"config\":{\"policy\":\"expected one of: local, cluster, redis\"}}", NULL},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1,\"policy\":\"redis\"}}",
         "{\"config\":{\"@entity\":[\"failed conditional validation given value of field 'policy'\"],"
         "\"redis_host\":\"required field missing\"}}",
         NULL},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1,\"policy\":\"redis\",\"redis_host\":\"a\"}}", NULL,
         NULL},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1,\"nested\":{\"soft\":-1}}}",
         "{\"config\":{\"nested\":{\"soft\":\"value must be greater than 0\"}}}",
         "schema violation (config.nested: {\n  soft = \"value must be greater than 0\"\n})"},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1e999}}",
         "{\"config\":{\"minute\":\"expected a number\"}}", NULL},
    };
    run_cases(*state, cases, COUNT(cases));
}

static void nested_records_are_complete(void **state)
{
    cJSON *document = accepted(*state, &plugin_setting_schema,
                               "{\"name\":\"limit\",\"config\":{\"nested\":[],\"second\":1.5}}");
    assert_member(document, "config",
                  "{\"second\":1.5,\"minute\":null,\"policy\":\"local\",\"redis_host\":null,"
                  "\"nested\":{\"soft\":10,\"names\":[]}}");
    cJSON_Delete(document);
}

static void scope_and_protocols_are_those_of_the_plugin(void **state)
{
    static const struct body_case cases[] = {
        {"{\"name\":\"key-auth\",\"consumer\":{\"id\":" ID "}}", "{\"consumer\":\"value must be null\"}",
         "schema violation (consumer: value must be null)"},
        {"{\"name\":\"key-auth\",\"consumer\":null,\"route\":{\"id\":" ID "},\"service\":{\"id\":" ID "}}",
         NULL, NULL},
        {"{\"name\":\"global\",\"route\":{\"id\":" ID "},\"service\":{\"id\":" ID "}}",
         "{\"route\":\"value must be null\",\"service\":\"value must be null\"}", NULL},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1},\"consumer\":{\"id\":" ID "}}", NULL, NULL},
        {"{\"name\":\"key-auth\",\"protocols\":[\"tcp\"]}",
         "{\"protocols\":[\"expected one of: grpc, grpcs, http, https\"]}", NULL},
        {"{\"name\":\"limit\",\"config\":{\"minute\":1},\"protocols\":[\"tcp\",\"http\"]}", NULL, NULL},
        {"{\"name\":\"key-auth\",\"protocols\":null}", "{\"protocols\":\"required field missing\"}", NULL},
        {"{\"name\":\"key-auth\",\"instance_name\":\"a b\"}",
         "{\"instance_name\":\"invalid value 'a b': the only accepted ascii characters are alphanumerics or "
         "., -, _, and ~\"}",
         NULL},
        {"{\"name\":\"key-auth\",\"enabled\":\"true\"}", "{\"enabled\":\"expected a boolean\"}", NULL},
    };
    run_cases(*state, cases, COUNT(cases));
    cJSON *document = accepted(*state, &plugin_setting_schema, "{\"name\":\"global\"}");
    assert_member(document, "protocols", "[\"http\",\"https\"]");
    cJSON_Delete(document);
}

/* stored + change = expected config, or expected violations. */
static void check_patch(const struct schemas *schemas, const char *change, const char *config,
                        const char *fields)
{
    struct violations violations = {0};
    cJSON *stored =
        accepted(schemas, &plugin_setting_schema,
                 "{\"name\":\"limit\",\"config\":{\"minute\":5,\"nested\":{\"soft\":3,\"names\":[\"a\"]}}}");
    cJSON *body = parse(change);
    document_merge(&plugin_setting_schema, schemas, stored, body);
    bool good = complete(schemas, &plugin_setting_schema, DOCUMENT_UPDATE, stored, &violations);
    assert_int_equal(good, fields == NULL);
    if (good)
        assert_member(stored, "config", config);
    else
        assert_json(violations.fields, fields);
    violations_fini(&violations);
    cJSON_Delete(body);
    cJSON_Delete(stored);
}

static void patching_merges_config_deeply(void **state)
{
    const char *same = "{\"second\":null,\"minute\":5,\"policy\":\"local\",\"redis_host\":null,"
                       "\"nested\":{\"soft\":3,\"names\":[\"a\"]}}";
    check_patch(*state, "{}", same, NULL);
    check_patch(*state, "{\"config\":{}}", same, NULL);
    check_patch(*state, "{\"config\":[]}", same, NULL);
    check_patch(*state, "{\"config\":{\"second\":1,\"nested\":{\"names\":[\"b\"]}}}",
                "{\"second\":1,\"minute\":5,\"policy\":\"local\",\"redis_host\":null,"
                "\"nested\":{\"soft\":3,\"names\":[\"b\"]}}",
                NULL);
    check_patch(*state, "{\"config\":{\"policy\":null,\"nested\":{\"soft\":null}}}",
                "{\"second\":null,\"minute\":5,\"policy\":null,\"redis_host\":null,"
                "\"nested\":{\"soft\":null,\"names\":[\"a\"]}}",
                NULL);
    check_patch(*state, "{\"config\":null}", NULL, "{\"config\":\"required field missing\"}");
    check_patch(*state, "{\"config\":{\"minute\":null}}", NULL,
                "{\"config\":{\"@entity\":[\"when updating, at least one of these fields must be non-empty: "
                "'second', "
                "'minute'\"]}}");
    check_patch(*state, "{\"name\":\"key-auth\"}", NULL,
                "{\"config\":{\"minute\":\"unknown field\",\"nested\":\"unknown field\","
                "\"second\":\"unknown field\",\"policy\":\"unknown field\","
                "\"redis_host\":\"unknown field\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_enough),
        cmocka_unit_test(without_a_plugin_nothing_else_is_told),
        cmocka_unit_test(config_is_that_of_the_plugin),
        cmocka_unit_test(nested_records_are_complete),
        cmocka_unit_test(scope_and_protocols_are_those_of_the_plugin),
        cmocka_unit_test(patching_merges_config_deeply),
    };
    return cmocka_run_group_tests(tests, plugins_setup, plugins_teardown);
}
