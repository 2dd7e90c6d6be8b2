/*
 * Every schema of the bundle: what it shows is what a body becomes; a body that has become complete stays as
 * it is; what is required is asked for.
 */

#include "bundle.h"

static cJSON *completed(const struct schemas *schemas, const char *name, const char *config)
{
    struct violations violations = {0};
    cJSON *body = bundle_body(name, config);

    if (!complete(schemas, &plugin_setting_schema, DOCUMENT_CREATE, body, &violations)) {
        char *text = violations_message(&violations);
        fail_msg("%s: %s", name, text);
    }
    return body;
}

static void each_is_there_once_in_order_and_has_an_example(void **state)
{
    (void)state;
    assert_int_equal(registry_count() + plugin_schemas_count(), COUNT(bundle_least));
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        const struct plugin_schema *plugin = bundle_at(i);
        assert_string_equal(plugin->name, bundle_least[i].name);
        assert_true(i == 0 || strcmp(bundle_at(i - 1)->name, plugin->name) < 0);
        assert_string_equal(plugin->version, strcmp(plugin->name, "opentelemetry") == 0 ? "0.1.0" : "3.5.0");
    }
}

static void a_completed_body_stays_as_it_is(void **state)
{
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        struct violations violations = {0};
        cJSON *document = completed(*state, bundle_least[i].name, bundle_least[i].config);
        cJSON *before = cJSON_Duplicate(document, true);
        assert_true(complete(*state, &plugin_setting_schema, DOCUMENT_UPDATE, document, &violations));
        if (!cJSON_Compare(before, document, true))
            fail_msg("%s changes when it is completed again", bundle_least[i].name);
        cJSON_Delete(before);
        cJSON_Delete(document);
    }
}

/* The description of a field in a list of such; NULL: there is none. */
static const cJSON *described(const cJSON *fields, const char *name)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, fields)
    {
        const cJSON *field = cJSON_GetObjectItemCaseSensitive(one, name);
        if (field != NULL)
            return field;
    }
    return NULL;
}

/* Elements of a list of records are stored with all their members: those that the default does not have are
 * null. */
static bool is_default(const cJSON *stored, const cJSON *shown)
{
    const cJSON *member;

    if (cJSON_IsArray(shown) && cJSON_GetArraySize(shown) == cJSON_GetArraySize(stored)) {
        for (int i = 0; i < cJSON_GetArraySize(shown); i++)
            if (!is_default(cJSON_GetArrayItem(stored, i), cJSON_GetArrayItem(shown, i)))
                return false;
        return true;
    }
    if (!cJSON_IsObject(shown))
        return cJSON_Compare(stored, shown, true);
    cJSON_ArrayForEach(member, stored)
    {
        const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(shown, member->string);
        if (wanted != NULL ? !is_default(member, wanted) : !cJSON_IsNull(member))
            return false;
    }
    return true;
}

/* As clients fill a record: defaults, records by their fields, null. `given` are the client's own. */
static void assert_filled(const char *plugin, const cJSON *fields, const cJSON *stored, const cJSON *given)
{
    const cJSON *one;

    assert_int_equal(cJSON_GetArraySize(fields), cJSON_GetArraySize(stored));
    cJSON_ArrayForEach(one, fields)
    {
        const cJSON *field = one->child;
        const char *name = field->string;
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(stored, name);
        const cJSON *fallback = cJSON_GetObjectItemCaseSensitive(field, "default");
        const cJSON *inner = cJSON_GetObjectItemCaseSensitive(field, "fields");
        if (cJSON_GetObjectItemCaseSensitive(given, name) != NULL ||
            cJSON_GetObjectItemCaseSensitive(field, "auto") != NULL)
            assert_false(cJSON_IsNull(value));
        else if (fallback != NULL ? !is_default(value, fallback) : (inner == NULL && !cJSON_IsNull(value)))
            fail_msg("%s: %s is not the default", plugin, name);
        else if (inner != NULL && cJSON_GetObjectItemCaseSensitive(field, "required") != NULL)
            assert_filled(plugin, inner, value, NULL);
    }
}

static void what_is_shown_as_default_is_what_a_body_gets(void **state)
{
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        cJSON *document = completed(*state, bundle_least[i].name, bundle_least[i].config);
        cJSON *given = parse(bundle_least[i].config);
        cJSON *shown = plugin_schema_describe(bundle_at(i));
        const cJSON *fields = cJSON_GetObjectItemCaseSensitive(shown, "fields");
        const cJSON *config = described(fields, "config");
        const cJSON *protocols = cJSON_GetObjectItemCaseSensitive(described(fields, "protocols"), "default");
        assert_filled(bundle_least[i].name, cJSON_GetObjectItemCaseSensitive(config, "fields"),
                      cJSON_GetObjectItemCaseSensitive(document, "config"), given);
        assert_true(cJSON_Compare(protocols, cJSON_GetObjectItemCaseSensitive(document, "protocols"), true));
        cJSON_Delete(shown);
        cJSON_Delete(given);
        cJSON_Delete(document);
    }
}

static void assert_form(const cJSON *field)
{
    static const char *const inside[] = {"elements", "keys", "values"};
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(field, "type"));
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(field, "fields");
    bool is_list = strcmp(type, "array") == 0 || strcmp(type, "set") == 0;
    const cJSON *one;

    assert_true(is_list == cJSON_HasObjectItem(field, "elements"));
    assert_true((strcmp(type, "map") == 0) ==
                (cJSON_HasObjectItem(field, "keys") && cJSON_HasObjectItem(field, "values")));
    assert_true((strcmp(type, "record") == 0) == cJSON_IsArray(fields));
    for (size_t i = 0; i < COUNT(inside); i++)
        if (cJSON_HasObjectItem(field, inside[i]))
            assert_form(cJSON_GetObjectItemCaseSensitive(field, inside[i]));
    cJSON_ArrayForEach(one, fields)
    {
        assert_int_equal(cJSON_GetArraySize(one), 1);
        assert_form(one->child);
    }
}

static void descriptions_are_json_of_the_form_clients_walk(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        cJSON *shown = plugin_schema_describe(bundle_at(i));
        char *text = cJSON_PrintUnformatted(shown);
        cJSON *again = parse(text);
        const cJSON *one;
        assert_true(cJSON_Compare(shown, again, true));
        assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(shown, "entity_checks")));
        cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(shown, "fields")) assert_form(one->child);
        free(text);
        cJSON_Delete(again);
        cJSON_Delete(shown);
    }
}

static void what_is_required_is_asked_for_and_what_is_unknown_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        const struct field *record = bundle_at(i)->config;
        cJSON *least = parse(bundle_least[i].config);
        for (size_t k = 0; k < record->field_count; k++) {
            const struct field *field = &record->fields[k];
            struct violations violations = {0};
            cJSON *body = bundle_body(bundle_least[i].name, bundle_least[i].config);
            cJSON *config = cJSON_GetObjectItemCaseSensitive(body, "config");
            if ((field->flags & FIELD_REQUIRED) == 0) {
                cJSON_Delete(body);
                continue;
            }
            cJSON_DeleteItemFromObjectCaseSensitive(config, field->name);
            cJSON_AddNullToObject(config, field->name);
            assert_false(complete(*state, &plugin_setting_schema, DOCUMENT_CREATE, body, &violations));
            const cJSON *told = cJSON_GetObjectItemCaseSensitive(violations.fields, "config");
            assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(told, field->name)),
                                "required field missing");
            violations_fini(&violations);
            cJSON_Delete(body);
        }
        (void)cJSON_AddNumberToObject(least, "no_such_setting", 1);
        struct violations violations = {0};
        cJSON *body = bundle_body(bundle_least[i].name, "{}");
        (void)cJSON_ReplaceItemInObjectCaseSensitive(body, "config", least);
        assert_false(complete(*state, &plugin_setting_schema, DOCUMENT_CREATE, body, &violations));
        assert_json(violations.fields, "{\"config\":{\"no_such_setting\":\"unknown field\"}}");
        violations_fini(&violations);
        cJSON_Delete(body);
    }
}

/* Data plane, 9.3. */
static void scopes_and_protocols_are_those_of_the_reference(void **state)
{
    static const char *const no_consumer[] = {
        "acl",      "acme",      "basic-auth", "bot-detection", "cors",         "hmac-auth", "jwt",
        "key-auth", "ldap-auth", "oauth2",     "post-function", "pre-function", "session"};
    static const char *const web[] = {"acl",
                                      "acme",
                                      "aws-lambda",
                                      "basic-auth",
                                      "bot-detection",
                                      "correlation-id",
                                      "cors",
                                      "hmac-auth",
                                      "jwt",
                                      "key-auth",
                                      "ldap-auth",
                                      "oauth2",
                                      "opentelemetry",
                                      "rate-limiting",
                                      "request-size-limiting",
                                      "request-termination",
                                      "response-ratelimiting",
                                      "response-transformer",
                                      "session"};
    (void)state;
    size_t refusing = 0;
    size_t web_only = 0;

    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        const struct plugin_schema *plugin = bundle_at(i);
        bool found = false;
        bool is_web = plugin->protocols[4] == NULL;
        for (size_t k = 0; k < COUNT(no_consumer); k++)
            found = found || strcmp(no_consumer[k], plugin->name) == 0;
        assert_true(found == plugin->refuses_consumer);
        refusing += found ? 1 : 0;
        found = false;
        for (size_t k = 0; k < COUNT(web); k++)
            found = found || strcmp(web[k], plugin->name) == 0;
        assert_true(found == is_web);
        web_only += is_web ? 1 : 0;
        assert_true(plugin->refuses_service == (strcmp(plugin->name, "acme") == 0));
        assert_true(plugin->refuses_route == (strcmp(plugin->name, "acme") == 0));
    }
    assert_int_equal(refusing, COUNT(no_consumer));
    assert_int_equal(web_only, COUNT(web));
}

static void a_text_made_by_the_server_has_its_length(void **state)
{
    cJSON *document = completed(*state, "session", "{}");
    cJSON *other = completed(*state, "session", "{}");
    cJSON *oauth2 = completed(*state, "oauth2", "{\"enable_password_grant\":true}");
    const char *secret = document_text(cJSON_GetObjectItemCaseSensitive(document, "config"), "secret");

    assert_int_equal(strlen(secret), 44);
    assert_string_not_equal(secret,
                            document_text(cJSON_GetObjectItemCaseSensitive(other, "config"), "secret"));
    assert_int_equal(
        strlen(document_text(cJSON_GetObjectItemCaseSensitive(oauth2, "config"), "provision_key")), 32);
    cJSON_Delete(oauth2);
    cJSON_Delete(other);
    cJSON_Delete(document);
}

static void the_least_settings_compile(void **state)
{
    for (size_t i = 0; i < registry_count(); i++) {
        const struct plugin *plugin = registry_at(i);
        cJSON *document = completed(*state, plugin->schema.name, bundle_least_of(plugin->schema.name));
        struct err err;
        void *object = NULL;
        if (plugin->configure != NULL) {
            assert_true(
                plugin->configure(cJSON_GetObjectItemCaseSensitive(document, "config"), &object, &err));
            plugin->dispose(object);
        }
        cJSON_Delete(document);
    }
}

static void one_that_does_not_run_is_refused_by_name_with_a_reason(void **state)
{
    struct schemas *schemas = schemas_new();
    (void)state;

    schemas_add_core(schemas);
    for (size_t i = 0; i < plugin_schemas_count(); i++)
        schemas_add_idle_plugin(schemas, plugin_schemas_at(i));
    assert_int_equal(schemas_plugin_count(schemas), 0);
    for (size_t i = 0; i < plugin_schemas_count(); i++) {
        const char *name = plugin_schemas_at(i)->name;
        const char *absence = plugin_schemas_at(i)->absence;
        struct violations violations = {0};
        char expected[512];
        cJSON *body = bundle_body(name, bundle_least_of(name));
        assert_false(complete(schemas, &plugin_setting_schema, DOCUMENT_CREATE, body, &violations));
        char *message = violations_message(&violations);
        (void)snprintf(expected, sizeof(expected),
                       "schema violation (name: plugin '%s' not enabled: %s; plugins that run here: none)",
                       name, absence != NULL ? absence : "this gateway does not run it yet");
        assert_string_equal(message, expected);
        free(message);
        violations_fini(&violations);
        cJSON_Delete(body);
    }
    schemas_free(schemas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_there_once_in_order_and_has_an_example),
        cmocka_unit_test(a_completed_body_stays_as_it_is),
        cmocka_unit_test(what_is_shown_as_default_is_what_a_body_gets),
        cmocka_unit_test(descriptions_are_json_of_the_form_clients_walk),
        cmocka_unit_test(what_is_required_is_asked_for_and_what_is_unknown_is_refused),
        cmocka_unit_test(scopes_and_protocols_are_those_of_the_reference),
        cmocka_unit_test(a_text_made_by_the_server_has_its_length),
        cmocka_unit_test(the_least_settings_compile),
        cmocka_unit_test(one_that_does_not_run_is_refused_by_name_with_a_reason),
    };
    return cmocka_run_group_tests(tests, bundle_setup, bundle_teardown);
}
