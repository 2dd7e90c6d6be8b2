/*
 * The set of schemas, the form of cache keys, and what each entity is known by.
 */

#include "plugins.h"

#define ID     "0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"
#define OTHER  "1c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"
#define THIRD  "2c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"
#define DEFWS  DEFAULT_WORKSPACE
#define SUFFIX ":::::" DEFWS

static void schemas_are_found_by_name_and_by_path(void **state)
{
    const struct schemas *schemas = *state;
    assert_ptr_equal(schemas_find(schemas, STR("plugins")), &plugin_setting_schema);
    assert_ptr_equal(schemas_find_path(schemas, STR("routes")), &route_schema);
    assert_null(schemas_find(schemas, STR("nothing")));
    assert_null(schemas_find(schemas, STR("plugin")));
    assert_null(schemas_find_path(schemas, STR_NONE));
    size_t count = schemas_count(schemas);
    assert_true(count >= 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(schemas_number(schemas, schemas_at(schemas, i)), i);
    assert_null(schemas_at(schemas, count));
}

static void plugins_are_found_by_name(void **state)
{
    const struct schemas *schemas = *state;
    assert_ptr_equal(schemas_find_plugin(schemas, STR("limit")), &plugins_limit);
    assert_null(schemas_find_plugin(schemas, STR("limits")));
    assert_int_equal(schemas_plugin_count(schemas), 3);
    assert_ptr_equal(schemas_plugin_at(schemas, 0), &plugins_key_auth);
    assert_null(schemas_plugin_at(schemas, 3));
}

static void fields_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(schema_field(&service_schema, "port")->fallback, "80");
    assert_null(schema_field(&service_schema, "url"));
}

struct keys {
    char text[4][256];
    int lookup[4];
    int count;
};

static void keep(void *arg, int lookup, struct str key)
{
    struct keys *keys = arg;
    assert_true(keys->count < 4 && key.len < sizeof(keys->text[0]));
    memcpy(keys->text[keys->count], key.at, key.len);
    keys->text[keys->count][key.len] = '\0';
    keys->lookup[keys->count++] = lookup;
}

static struct keys keys_of(const struct schema *schema, const char *json)
{
    struct keys keys = {.count = 0};
    cJSON *document = parse(json);
    schema->cache_keys(schema, document, keep, &keys);
    cJSON_Delete(document);
    return keys;
}

static void routing_entities_are_known_by_id(void **state)
{
    (void)state;
    struct keys keys = keys_of(&service_schema, "{\"id\":\"" ID "\",\"name\":\"a\"}");
    assert_int_equal(keys.count, 1);
    assert_string_equal(keys.text[0], "services:" ID SUFFIX);
    assert_int_equal(keys.lookup[0], -1);
}

static void consumers_are_known_by_id_and_username(void **state)
{
    (void)state;
    struct keys keys = keys_of(&consumer_schema, "{\"id\":\"" ID "\",\"username\":\"ann\"}");
    assert_int_equal(keys.count, 2);
    assert_string_equal(keys.text[0], "consumers:" ID SUFFIX);
    assert_string_equal(keys.text[1], "consumers:ann" SUFFIX);
    assert_int_equal(keys.lookup[0], 0);
    assert_int_equal(keys.lookup[1], 1);
    keys = keys_of(&consumer_schema, "{\"id\":\"" ID "\",\"username\":null}");
    assert_int_equal(keys.count, 1);
}

/* Otherwise it would be found by somebody else's id, or not at all. */
static void a_username_that_looks_like_an_id_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct keys keys = keys_of(&consumer_schema, "{\"id\":\"" ID "\",\"username\":\"" OTHER "\"}");
    assert_int_equal(keys.count, 2);
    assert_string_equal(keys.text[0], "consumers:" ID SUFFIX);
    assert_string_equal(keys.text[1], "consumers:" OTHER ":username::::" DEFWS);
}

static void plugins_are_known_by_name_and_scope(void **state)
{
    (void)state;
    struct keys keys =
        keys_of(&plugin_setting_schema, "{\"id\":\"x\",\"name\":\"cors\",\"route\":null,\"service\":null,"
                                        "\"consumer\":null}");
    assert_int_equal(keys.count, 1);
    assert_string_equal(keys.text[0], "plugins:cors" SUFFIX);
    keys = keys_of(&plugin_setting_schema,
                   "{\"name\":\"cors\",\"route\":{\"id\":\"" ID "\"},\"service\":{\"id\":\"" OTHER
                   "\"},\"consumer\":{\"id\":\"" THIRD "\"}}");
    assert_string_equal(keys.text[0], "plugins:cors:" ID ":" OTHER ":" THIRD "::" DEFWS);
}

static void keys_have_seven_parts(void **state)
{
    const char *const parts[5] = {"a", NULL, "c", NULL, "e"};
    struct buf buf = {0};
    (void)state;
    cache_key_format(&buf, "name", parts, true);
    assert_string_equal(buf.at, "name:a::c::e:" DEFWS);
    buf_clear(&buf);
    cache_key_format(&buf, "name", parts, false);
    assert_string_equal(buf.at, "name:a::c::e:");
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_are_found_by_name_and_by_path),
        cmocka_unit_test(plugins_are_found_by_name),
        cmocka_unit_test(fields_are_found_by_name),
        cmocka_unit_test(routing_entities_are_known_by_id),
        cmocka_unit_test(consumers_are_known_by_id_and_username),
        cmocka_unit_test(a_username_that_looks_like_an_id_has_a_key_of_its_own),
        cmocka_unit_test(plugins_are_known_by_name_and_scope),
        cmocka_unit_test(keys_have_seven_parts),
    };
    return cmocka_run_group_tests(tests, plugins_setup, plugins_teardown);
}
