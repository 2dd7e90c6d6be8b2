/*
 * /schemas (Admin API reference 3.4): its shape, and that clients who fill defaults from it agree with us.
 */

#include "plugins.h"

static const cJSON *find_field(const cJSON *shown, const char *name)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(shown, "fields"))
    {
        assert_int_equal(cJSON_GetArraySize(one), 1);
        if (strcmp(one->child->string, name) == 0)
            return one->child;
    }
    fail_msg("no field %s", name);
    return NULL;
}

static void assert_field(const struct schema *schema, const char *name, const char *expected)
{
    cJSON *shown = schema_describe(schema);
    cJSON *field = cJSON_Duplicate(find_field(shown, name), true);
    cJSON_DeleteItemFromObject(field, "description");
    assert_json(field, expected);
    cJSON_Delete(field);
    cJSON_Delete(shown);
}

static void fields_show_what_is_set(void **state)
{
    (void)state;
    assert_field(&service_schema, "id", "{\"type\":\"string\",\"uuid\":true,\"auto\":true}");
    assert_field(&service_schema, "created_at", "{\"type\":\"integer\",\"timestamp\":true,\"auto\":true}");
    assert_field(&service_schema, "name", "{\"type\":\"string\",\"unique\":true}");
    assert_field(&service_schema, "retries", "{\"type\":\"integer\",\"between\":[0,32767],\"default\":5}");
    assert_field(&service_schema, "protocol",
                 "{\"type\":\"string\",\"one_of\":[\"grpc\",\"grpcs\",\"http\",\"https\",\"tcp\",\"tls\","
                 "\"tls_passthrough\",\"udp\"],\"default\":\"http\",\"required\":true}");
    assert_field(&service_schema, "path",
                 "{\"type\":\"string\",\"starts_with\":\"/\","
                 "\"match_none\":[{\"pattern\":\"//\",\"err\":\"must not have empty segments\"}]}");
    assert_field(&service_schema, "tags",
                 "{\"type\":\"set\",\"elements\":{\"type\":\"string\",\"required\":true}}");
    assert_field(&service_schema, "client_certificate",
                 "{\"type\":\"foreign\",\"reference\":\"certificates\"}");
    assert_field(&service_schema, "tls_verify_depth",
                 "{\"type\":\"integer\",\"between\":[0,64],\"default\":null}");
}

static void routes_show_lists_maps_and_records(void **state)
{
    (void)state;
    assert_field(&route_schema, "service", "{\"type\":\"foreign\",\"reference\":\"services\"}");
    assert_field(&route_schema, "https_redirect_status_code",
                 "{\"type\":\"integer\",\"one_of\":[426,301,302,307,308],\"default\":426,"
                 "\"required\":true}");
    assert_field(
        &route_schema, "headers",
        "{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"match_none\":[{\"pattern\":\"^[Hh][Oo][Ss][Tt]$\","
        "\"err\":\"cannot contain 'host' header, which must be specified in the 'hosts' attribute\"}]},"
        "\"values\":{\"type\":\"array\","
        "\"elements\":{\"type\":\"string\"}}}");
    assert_field(&route_schema, "sources",
                 "{\"type\":\"set\",\"elements\":{\"type\":\"record\",\"fields\":[{\"ip\":{\"type\":"
                 "\"string\"}},{\"port\":{\"type\":\"integer\",\"between\":[0,65535]}}],"
                 "\"entity_checks\":[{\"at_least_one_of\":[\"ip\",\"port\"]}]}}");
    assert_field(&route_schema, "methods",
                 "{\"type\":\"set\",\"elements\":{\"type\":\"string\",\"match\":\"^%u+$\"}}");
    assert_field(&route_schema, "protocols",
                 "{\"type\":\"set\",\"required\":true,\"len_min\":1,\"default\":[\"http\",\"https\"],"
                 "\"elements\":{\"type\":\"string\",\"one_of\":[\"grpc\",\"grpcs\",\"http\",\"https\","
                 "\"tcp\",\"tls\",\"tls_passthrough\",\"udp\"]},\"mutually_exclusive_subsets\":[[\"http\","
                 "\"https\"],[\"tcp\",\"tls\",\"udp\"],[\"tls_passthrough\"],[\"grpc\",\"grpcs\"]]}");
}

static void plugins_show_an_abstract_config(void **state)
{
    (void)state;
    assert_field(&plugin_setting_schema, "config", "{\"type\":\"record\",\"abstract\":true,\"fields\":[]}");
    assert_field(&plugin_setting_schema, "route",
                 "{\"type\":\"foreign\",\"reference\":\"routes\",\"on_delete\":\"cascade\","
                 "\"default\":null}");
}

static void checks_are_shown(void **state)
{
    (void)state;
    cJSON *shown = schema_describe(&consumer_schema);
    assert_int_equal(cJSON_GetArraySize(shown), 2);
    assert_member(shown, "entity_checks", "[{\"at_least_one_of\":[\"custom_id\",\"username\"]}]");
    cJSON_Delete(shown);
    shown = schema_describe(&service_schema);
    const cJSON *checks = cJSON_GetObjectItem(shown, "entity_checks");
    assert_int_equal(cJSON_GetArraySize(checks), 5);
    assert_json(checks->child,
                "{\"conditional\":{\"if_field\":\"protocol\",\"if_match\":{\"one_of\":[\"tcp\",\"tls\","
                "\"udp\",\"grpc\",\"grpcs\"]},\"then_field\":\"path\",\"then_match\":{\"eq\":null}}}");
    cJSON_Delete(shown);
    shown = schema_describe(&plugin_setting_schema);
    assert_member(shown, "entity_checks", "[]");
    cJSON_Delete(shown);
}

static void a_plugin_shows_what_it_specialises(void **state)
{
    (void)state;
    cJSON *shown = plugin_schema_describe(&plugins_key_auth);
    assert_json(
        shown,
        "{\"fields\":[{\"consumer\":{\"type\":\"foreign\",\"reference\":\"consumers\",\"eq\":null}},"
        "{\"protocols\":{\"type\":\"set\",\"required\":true,\"default\":[\"grpc\",\"grpcs\",\"http\","
        "\"https\"],\"elements\":{\"type\":\"string\",\"one_of\":[\"grpc\",\"grpcs\",\"http\",\"https\"]}}},"
        "{\"config\":{\"type\":\"record\",\"required\":true,\"fields\":[{\"key_names\":{\"type\":\"array\","
        "\"required\":true,\"default\":[\"apikey\"],\"elements\":{\"type\":\"string\"}}},"
        "{\"hide_credentials\":{\"type\":\"boolean\",\"required\":true,\"default\":false}},"
        "{\"anonymous\":{\"type\":\"string\"}}]}}],\"entity_checks\":[]}");
    cJSON_Delete(shown);
    shown = plugin_schema_describe(&plugins_limit);
    const cJSON *config = find_field(shown, "config");
    assert_member(config, "entity_checks",
                  "[{\"at_least_one_of\":[\"second\",\"minute\"]},{\"conditional\":{\"if_field\":\"policy\","
                  "\"if_match\":{\"one_of\":[\"redis\"]},\"then_field\":\"redis_host\",\"then_match\":"
                  "{\"required\":true}}}]");
    cJSON_Delete(shown);
}

/* What a client that walks `fields` believes is stored. */
static void fill(const cJSON *fields, cJSON *document)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, fields)
    {
        const cJSON *field = one->child;
        const cJSON *fallback = cJSON_GetObjectItem(field, "default");
        const cJSON *inner = cJSON_GetObjectItem(field, "fields");
        cJSON *value = cJSON_GetObjectItem(document, field->string);
        if (value == NULL && fallback != NULL) {
            cJSON_AddItemToObject(document, field->string, cJSON_Duplicate(fallback, true));
        } else if (inner != NULL) {
            if (value == NULL)
                value = cJSON_AddObjectToObject(document, field->string);
            fill(inner, value);
        } else if (value == NULL) {
            cJSON_AddNullToObject(document, field->string);
        }
    }
}

static void assert_same_defaults(const struct schemas *schemas, const struct schema *schema, cJSON *described,
                                 const char *body)
{
    cJSON *stored = accepted(schemas, schema, body);
    cJSON *believed = parse(body);
    fill(cJSON_GetObjectItem(described, "fields"), believed);
    static const char *const made[] = {"id", "created_at", "updated_at"};
    for (size_t i = 0; i < COUNT(made); i++)
        cJSON_ReplaceItemInObject(believed, made[i],
                                  cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(stored, made[i]), true));
    char *text = cJSON_PrintUnformatted(stored);
    assert_json(believed, text);
    free(text);
    cJSON_Delete(believed);
    cJSON_Delete(stored);
    cJSON_Delete(described);
}

static void shown_defaults_are_those_that_are_stored(void **state)
{
    assert_same_defaults(*state, &service_schema, schema_describe(&service_schema), "{\"host\":\"a\"}");
    assert_same_defaults(*state, &route_schema, schema_describe(&route_schema), "{\"paths\":[\"/\"]}");
    assert_same_defaults(*state, &consumer_schema, schema_describe(&consumer_schema), "{\"username\":\"a\"}");
    cJSON *plugin = plugin_schema_describe(&plugins_limit);
    cJSON *all = schema_describe(&plugin_setting_schema);
    cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(all, "fields"))
    {
        if (strcmp(one->child->string, "config") == 0)
            cJSON_ReplaceItemInObject(one, "config", cJSON_Duplicate(find_field(plugin, "config"), true));
    }
    assert_same_defaults(*state, &plugin_setting_schema, all,
                         "{\"name\":\"limit\",\"config\":{\"minute\":1}}");
    cJSON_Delete(plugin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_show_what_is_set),
        cmocka_unit_test(routes_show_lists_maps_and_records),
        cmocka_unit_test(plugins_show_an_abstract_config),
        cmocka_unit_test(checks_are_shown),
        cmocka_unit_test(a_plugin_shows_what_it_specialises),
        cmocka_unit_test(shown_defaults_are_those_that_are_stored),
    };
    return cmocka_run_group_tests(tests, plugins_setup, plugins_teardown);
}
