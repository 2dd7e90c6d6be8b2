/*
 * Generated values, PATCH, form bodies, keys in URLs.
 */

#include "plugins.h"

static void generated_values_come_from_the_server(void **state)
{
    (void)state;
    cJSON *first = accepted(NULL, &consumer_schema, "{\"username\":\"ann\",\"updated_at\":\"x\"}");
    cJSON *second = accepted(NULL, &consumer_schema, "{\"username\":\"ann\",\"created_at\":7}");
    assert_string_not_equal(document_text(first, "id"), document_text(second, "id"));
    assert_int_equal(document_text(first, "id")[14], '4');
    assert_int_equal(document_int(first, "created_at", 0), 1795400100);
    assert_int_equal(document_int(first, "updated_at", 0), 1795400100);
    assert_int_equal(document_int(second, "created_at", 0), 7);
    cJSON_Delete(first);
    cJSON_Delete(second);
}

static void an_id_of_the_client_is_kept_in_lower_case(void **state)
{
    (void)state;
    cJSON *document = accepted(NULL, &consumer_schema,
                               "{\"username\":\"ann\",\"id\":\"0C8D6A51-0C1E-4B55-9A53-4A1C7F0F8E11\"}");
    assert_string_equal(document_text(document, "id"), "0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11");
    cJSON_Delete(document);
}

static void consumers_are_checked(void **state)
{
    static const struct body_case cases[] = {
        {"{}", "{\"@entity\":[\"at least one of these fields must be non-empty: 'custom_id', 'username'\"]}",
         "schema violation (at least one of these fields must be non-empty: 'custom_id', 'username')"},
        {"{\"username\":\"a b \xc3\xa9\"}", NULL, NULL},
        {"{\"custom_id\":\"7\"}", NULL, NULL},
        {"{\"username\":\"\"}", "{\"username\":\"length must be at least 1\"}", NULL},
        {"{\"username\":\"a\",\"id\":\"x\"}", "{\"id\":\"expected a valid UUID\"}", NULL},
        {"{\"username\":\"a\",\"id\":5}", "{\"id\":\"expected a string\"}", NULL},
        {"{\"username\":\"a\",\"created_at\":-1}", "{\"created_at\":\"expected a valid timestamp\"}", NULL},
        {"{\"username\":\"a\",\"created_at\":0}", "{\"created_at\":\"expected a valid timestamp\"}", NULL},
        {"{\"username\":\"a\",\"a.b\":1,\"@entity\":2}",
         "{\"a.b\":\"unknown field\",\"@entity\":[\"unknown field\"]}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &consumer_schema, DOCUMENT_CREATE, &cases[i]);
    const struct body_case update = {
        "{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}",
        "{\"@entity\":[\"when updating, at least one of these fields must be non-empty: 'custom_id', "
        "'username'\"]}",
        NULL};
    run_case(NULL, &consumer_schema, DOCUMENT_UPDATE, &update);
}

static void the_last_of_repeated_members_counts(void **state)
{
    (void)state;
    cJSON *document =
        accepted(NULL, &consumer_schema, "{\"username\":1,\"tags\":[\"a\"],\"username\":\"b\",\"tags\":[]}");
    assert_string_equal(document_text(document, "username"), "b");
    assert_member(document, "tags", "[]");
    assert_int_equal(cJSON_GetArraySize(document), consumer_schema.field_count);
    cJSON_Delete(document);
}

static void sets_lose_what_is_there_already(void **state)
{
    (void)state;
    cJSON *document = accepted(NULL, &consumer_schema,
                               "{\"username\":\"a\",\"tags\":[\"c\",\"a\",\"c\",\"b\",\"a\",\"c\"]}");
    assert_member(document, "tags", "[\"c\",\"a\",\"b\"]");
    cJSON_Delete(document);
}

/* The bytes of a body with `count` tags that are all wrong. */
static cJSON *many_wrong_tags(int count)
{
    cJSON *body = parse("{\"username\":\"a\"}");
    cJSON *tags = cJSON_AddArrayToObject(body, "tags");
    for (int i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof(text), ",%d", i);
        cJSON_AddItemToArray(tags, cJSON_CreateString(text));
        cJSON_AddNumberToObject(body, text, i);
    }
    return body;
}

static void a_body_full_of_mistakes_is_given_up_early(void **state)
{
    (void)state;
    struct violations violations = {0};
    cJSON *body = many_wrong_tags(3000);
    assert_false(complete(NULL, &consumer_schema, DOCUMENT_CREATE, body, &violations));
    assert_true(violations.count >= 100 && violations.count <= 300);
    violations_fini(&violations);
    cJSON_Delete(body);
}

/* stored consumer/service + change. The caller owns the merged and completed document, NULL if refused. */
static cJSON *patched(const struct schema *schema, const char *stored, const char *change,
                      const char *violations_expected)
{
    struct violations violations = {0};
    cJSON *document = accepted(NULL, schema, stored);
    cJSON *body = parse(change);
    cJSON_ReplaceItemInObject(document, "created_at", cJSON_CreateNumber(5));
    document_merge(schema, NULL, document, body);
    if (!complete(NULL, schema, DOCUMENT_UPDATE, document, &violations)) {
        assert_non_null(violations_expected);
        assert_json(violations.fields, violations_expected);
        cJSON_Delete(document);
        document = NULL;
    }
    violations_fini(&violations);
    cJSON_Delete(body);
    return document;
}

static void patching_keeps_what_is_not_named(void **state)
{
    (void)state;
    cJSON *document =
        patched(&service_schema, "{\"host\":\"a\",\"retries\":1,\"tags\":[\"x\",\"y\"],\"path\":\"/p\"}",
                "{\"tags\":[\"z\"],\"retries\":null,\"created_at\":null,\"id\":null}", NULL);
    assert_string_equal(document_text(document, "host"), "a");
    assert_string_equal(document_text(document, "path"), "/p");
    assert_member(document, "tags", "[\"z\"]");
    assert_member(document, "retries", "null"); /* the default does not come back */
    assert_int_equal(document_int(document, "created_at", 0), 5);
    assert_int_equal(document_int(document, "updated_at", 0), 1795400100);
    assert_non_null(document_text(document, "id"));
    cJSON_Delete(document);
}

static void patching_ignores_a_good_id_and_tells_a_bad_one(void **state)
{
    (void)state;
    cJSON *document =
        patched(&consumer_schema, "{\"username\":\"a\",\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}",
                "{\"id\":\"1c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\",\"custom_id\":\"x\"}", NULL);
    assert_string_equal(document_text(document, "id"), "0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11");
    cJSON_Delete(document);
    assert_null(patched(&consumer_schema, "{\"username\":\"a\"}", "{\"id\":\"zz\"}",
                        "{\"id\":\"expected a valid UUID\"}"));
    assert_null(patched(&service_schema, "{\"host\":\"a\"}", "{\"host\":null}",
                        "{\"host\":\"required field missing\"}"));
}

static void patching_url_replaces_its_parts(void **state)
{
    (void)state;
    cJSON *document =
        patched(&service_schema, "{\"host\":\"a\",\"path\":\"/old\"}", "{\"url\":\"https://b:8443\"}", NULL);
    assert_string_equal(document_text(document, "host"), "b");
    assert_string_equal(document_text(document, "protocol"), "https");
    assert_int_equal(document_int(document, "port", 0), 8443);
    assert_member(document, "path", "null");
    cJSON_Delete(document);
    assert_null(patched(&service_schema, "{\"host\":\"a\"}", "{\"url\":\"\"}",
                        "{\"url\":\"length must be at least 1\"}"));
}

static void form_texts_become_what_the_schema_wants(void **state)
{
    (void)state;
    cJSON *document = parse("{\"retries\":\"7\",\"port\":\"0x50\",\"enabled\":\"true\",\"tags\":\"a,b\","
                            "\"tls_verify\":\"False\",\"read_timeout\":\"12x\",\"name\":\"5\","
                            "\"connect_timeout\":\"nan\",\"path\":null}");
    document_type_form(NULL, &service_schema, document, NULL);
    assert_json(document, "{\"retries\":7,\"port\":80,\"enabled\":true,\"tags\":[\"a,b\"],"
                          "\"tls_verify\":\"False\",\"read_timeout\":\"12x\",\"name\":\"5\","
                          "\"connect_timeout\":\"nan\",\"path\":null}");
    cJSON_Delete(document);
}

static void form_texts_of_maps_and_records_are_typed(void **state)
{
    (void)state;
    cJSON *document = parse("{\"headers\":{\"x\":\"a\"},\"sources\":[{\"ip\":\"::1\",\"port\":\"5\"}],"
                            "\"protocols\":[\"http\"],\"strip_path\":\"false\"}");
    document_type_form(NULL, &route_schema, document, NULL);
    assert_json(document, "{\"headers\":{\"x\":[\"a\"]},\"sources\":[{\"ip\":\"::1\",\"port\":5}],"
                          "\"protocols\":[\"http\"],\"strip_path\":false}");
    cJSON_Delete(document);
}

static void form_texts_of_config_follow_the_plugin(void **state)
{
    cJSON *stored = parse("{\"name\":\"limit\"}");
    cJSON *document = parse("{\"config\":{\"minute\":\"5\",\"nested\":{\"names\":\"x\",\"soft\":\"1.5\"}}}");
    document_type_form(*state, &plugin_setting_schema, document, stored);
    assert_json(document, "{\"config\":{\"minute\":5,\"nested\":{\"names\":[\"x\"],\"soft\":1.5}}}");
    cJSON_Delete(document);
    document = parse("{\"name\":\"key-auth\",\"config\":{\"hide_credentials\":\"true\",\"minute\":\"5\"}}");
    document_type_form(*state, &plugin_setting_schema, document, stored);
    assert_json(document, "{\"name\":\"key-auth\",\"config\":{\"hide_credentials\":true,\"minute\":\"5\"}}");
    cJSON_Delete(document);
    cJSON_Delete(stored);
}

static void impossible_keys_are_told(void **state)
{
    char message[256] = "";
    (void)state;
    assert_true(document_check_key(&service_schema, STR("billing"), message));
    assert_false(document_check_key(&service_schema, STR("a b"), message));
    assert_string_equal(message,
                        "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., "
                        "-, _, and ~");
    assert_false(document_check_key(&consumer_schema, STR(""), message));
    assert_string_equal(message, "length must be at least 1");
    assert_false(document_check_key(&consumer_schema, STR("a\0b"), message));
    assert_false(document_check_key(&consumer_schema, STR("ab\xff"), message));
    assert_string_equal(message, "invalid utf-8 character sequence detected at position 3");
    assert_true(document_check_key(&consumer_schema, STR("a b"), message));
}

static void older_configs_get_newer_fields(void **state)
{
    (void)state;
    cJSON *config = parse("{\"minute\":5,\"nested\":{\"soft\":null}}");
    document_fill_config(&plugins_limit, config);
    assert_json(config, "{\"minute\":5,\"nested\":{\"soft\":null,\"names\":[]},\"second\":null,"
                        "\"policy\":\"local\",\"redis_host\":null}");
    cJSON_Delete(config);
}

static void conveniences_never_guess(void **state)
{
    struct uuid id;
    (void)state;
    cJSON *object = parse("{\"a\":1e300,\"b\":\"x\",\"c\":true,\"id\":\"zz\",\"r\":{\"id\":null}}");
    assert_int_equal(document_int(object, "a", 3), 3);
    assert_int_equal(document_int(object, "b", 4), 4);
    assert_null(document_text(object, "c"));
    assert_true(document_bool(object, "c", false));
    assert_true(document_bool(object, "b", true));
    assert_false(document_id(object, &id));
    assert_true(uuid_is_nil(&id));
    assert_false(document_reference(object, "r", &id));
    assert_false(document_reference(object, "none", &id));
    cJSON_Delete(object);
}

static void whole_numbers_are_printed_in_full(void **state)
{
    static const char *const texts[] = {
        "{\"a\":9007199254740991,\"b\":[-9007199254740990,1000000000000001]}",
        "{\"a\":2147483648,\"b\":1795400267.705,\"c\":-7}",
        "[1e+300,0.1]",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        cJSON *value = parse(texts[i]);
        char *text = document_print(value);
        assert_string_equal(text, texts[i]);
        free(text);
        cJSON_Delete(value);
    }
}

static uint64_t hash_of(const char *text)
{
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    uint64_t hash = document_hash(json);
    cJSON_Delete(json);
    return hash;
}

static void different_documents_have_different_hashes(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "null",
                                        "true",
                                        "false",
                                        "0",
                                        "1",
                                        "-1",
                                        "\"\"",
                                        "\"0\"",
                                        "{\"a\":1}",
                                        "{\"b\":1}",
                                        "{\"a\":2}",
                                        "{\"a\":\"1\"}",
                                        "{\"a\":null}",
                                        "{\"a\":[1,2]}",
                                        "{\"a\":[[1],2]}",
                                        "{\"a\":[1,[2]]}",
                                        "{\"a\":[12]}",
                                        "{\"a\":{\"b\":1},\"c\":2}",
                                        "{\"a\":{\"b\":1,\"c\":2}}",
                                        "[\"ab\",\"c\"]",
                                        "[\"a\",\"bc\"]"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(hash_of(texts[i]), hash_of(texts[i]));
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(hash_of(texts[i]), hash_of(texts[k]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_printed_in_full),
        cmocka_unit_test(different_documents_have_different_hashes),
        cmocka_unit_test(generated_values_come_from_the_server),
        cmocka_unit_test(an_id_of_the_client_is_kept_in_lower_case),
        cmocka_unit_test(consumers_are_checked),
        cmocka_unit_test(the_last_of_repeated_members_counts),
        cmocka_unit_test(sets_lose_what_is_there_already),
        cmocka_unit_test(a_body_full_of_mistakes_is_given_up_early),
        cmocka_unit_test(patching_keeps_what_is_not_named),
        cmocka_unit_test(patching_ignores_a_good_id_and_tells_a_bad_one),
        cmocka_unit_test(patching_url_replaces_its_parts),
        cmocka_unit_test(form_texts_become_what_the_schema_wants),
        cmocka_unit_test(form_texts_of_maps_and_records_are_typed),
        cmocka_unit_test(form_texts_of_config_follow_the_plugin),
        cmocka_unit_test(impossible_keys_are_told),
        cmocka_unit_test(older_configs_get_newer_fields),
        cmocka_unit_test(conveniences_never_guess),
    };
    return cmocka_run_group_tests(tests, plugins_setup, plugins_teardown);
}
