/*
 * The plugins of this program: in order, each once, with settings that /schemas and a body can be made of.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/chain/plugin.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/plugins/registry.h"

static const struct plugin *all[64];
static struct schemas *schemas;

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < registry_count(); i++)
        all[i] = registry_at(i);
    schemas = schemas_new();
    schemas_add_core(schemas);
    registry_add_schemas(schemas, all, registry_count());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    schemas_free(schemas);
    return 0;
}

static void entities_of_plugins_that_are_not_enabled_are_hidden(void **state)
{
    struct schemas *none = schemas_new();
    const struct schema *keys;

    (void)state;
    assert_false(schemas_is_hidden(schemas, schemas_find(schemas, STR("keyauth_credentials"))));
    schemas_add_core(none);
    registry_add_schemas(none, all, 0);
    assert_int_equal(schemas_plugin_count(none), 0);
    keys = schemas_find(none, STR("keyauth_credentials"));
    assert_true(schemas_is_hidden(none, keys));
    assert_null(schemas_find_path(none, STR("key-auths")));
    assert_non_null(schemas_find_path(none, STR("consumers")));
    schemas_free(none);
}

static const struct plugin *find(const char *name)
{
    for (size_t i = 0; i < registry_count(); i++)
        if (strcmp(all[i]->schema.name, name) == 0)
            return all[i];
    return NULL;
}

static void priorities_descend_and_equal_ones_descend_by_name(void **state)
{
    (void)state;
    for (size_t i = 1; i < registry_count(); i++) {
        const struct plugin_schema *before = &all[i - 1]->schema;
        const struct plugin_schema *after = &all[i]->schema;
        assert_true(before->priority > after->priority ||
                    (before->priority == after->priority && strcmp(before->name, after->name) > 0));
    }
}

static void a_chain_can_number_them_all(void **state)
{
    (void)state;
    assert_true(registry_count() > 0 && registry_count() <= 64); /* bits of scope_present() */
}

static void every_plugin_is_there_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < registry_count(); i++)
        assert_ptr_equal(find(all[i]->schema.name), all[i]);
    assert_int_equal(schemas_plugin_count(schemas), registry_count());
}

/* Those of the reference, sections 1 and 12; data plane, 9.3. */
static void priorities_and_scopes_are_those_users_know(void **state)
{
    (void)state;
    assert_int_equal(find("key-auth")->schema.priority, 1250);
    assert_true(find("key-auth")->schema.refuses_consumer);
    assert_int_equal(find("request-termination")->schema.priority, 2);
    assert_false(find("request-termination")->schema.refuses_consumer);
}

static void every_plugin_takes_part_in_something_and_can_be_made_and_freed(void **state)
{
    (void)state;
    for (size_t i = 0; i < registry_count(); i++) {
        const struct plugin *plugin = all[i];
        assert_true(plugin->rewrite != NULL || plugin->access != NULL || plugin->header_filter != NULL ||
                    plugin->log != NULL);
        assert_non_null(plugin->schema.version);
        assert_true((plugin->configure == NULL) == (plugin->dispose == NULL));
    }
}

static cJSON *complete(const char *name, const char *config, struct violations *violations)
{
    const struct document_context context = {
        .schemas = schemas, .schema = &plugin_setting_schema, .op = DOCUMENT_CREATE, .now_us = 1000000};
    cJSON *document = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(document, "name", name);
    cJSON_AddItemToObject(document, "config", cJSON_Parse(config));
    *violations = (struct violations){0};
    if (document_complete(&context, document, violations))
        return document;
    cJSON_Delete(document);
    return NULL;
}

static void schemas_can_be_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < registry_count(); i++) {
        cJSON *shown = plugin_schema_describe(schemas_find_plugin(schemas, str_of(all[i]->schema.name)));
        assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(shown, "fields")));
        cJSON_Delete(shown);
    }
}

static void entities_of_plugins_are_entities(void **state)
{
    (void)state;
    const struct schema *credentials = schemas_find(schemas, STR("keyauth_credentials"));
    assert_non_null(credentials);
    assert_ptr_equal(schemas_find_path(schemas, STR("key-auths")), credentials);
    assert_string_equal(credentials->nested_path, "key-auth");
    assert_true(credentials->has_ttl);
}

/* The message for `config`, which must be refused. */
static void assert_refused(const char *name, const char *config, const char *message)
{
    struct violations violations;

    assert_null(complete(name, config, &violations));
    char *text = violations_message(&violations);
    assert_string_equal(text, message);
    free(text);
    violations_fini(&violations);
}

static void settings_of_key_auth_are_checked(void **state)
{
    (void)state;
    assert_refused(
        "key-auth", "{\"key_names\":[\"a key\"]}",
        "schema violation (config.key_names: {\n  \"bad header name 'a key', allowed characters are "
        "A-Z, a-z, 0-9, '_', and '-'\"\n})");
    assert_refused("key-auth", "{\"key_names\":\"apikey\"}",
                   "schema violation (config.key_names: expected an array)");
    assert_refused("key-auth", "{\"hide_credentials\":\"yes\"}",
                   "schema violation (config.hide_credentials: expected a boolean)");
    assert_refused("key-auth", "{\"realm\":\"x\"}", "schema violation (config.realm: unknown field)");
    assert_refused("key-auth", "{\"anonymous\":\"\"}",
                   "schema violation (config.anonymous: length must be at least 1)");
}

static void names_of_headers_are_letters_digits_dash_and_underscore(void **state)
{
    struct violations violations;
    (void)state;
    cJSON *document = complete("key-auth", "{\"key_names\":[\"X_y-09\",\"apikey\"]}", &violations);
    assert_non_null(document);
    cJSON_Delete(document);
    static const char *const bad[] = {"a b", "a:", "a\\n", "\xc3\xa9", "a.b"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char config[64];
        (void)snprintf(config, sizeof(config), "{\"key_names\":[\"%s\"]}", bad[i]);
        assert_null(complete("key-auth", config, &violations));
        violations_fini(&violations);
    }
}

static void a_header_name_in_a_message_is_cut_between_characters(void **state)
{
    struct violations violations;
    char config[256] = "{\"trigger\":\"";
    (void)state;

    memset(config + strlen(config), 'a', 99);
    (void)strncpy(config + strlen(config), "\xc3\xa9\xc3\xa9\"}", 8);
    assert_null(complete("request-termination", config, &violations));
    char *text = violations_message(&violations);
    assert_true(str_is_utf8(str_of(text)));
    assert_non_null(strstr(text, "aaaa', allowed"));
    free(text);
    violations_fini(&violations);
}

static void settings_of_request_termination_exclude_each_other(void **state)
{
    static const struct {
        const char *config;
        const char *wrong;
    } cases[] = {
        {"{\"message\":\"m\",\"body\":\"b\"}", "message cannot be used with content_type or body"},
        {"{\"message\":\"m\",\"content_type\":\"a/b\",\"body\":\"b\"}",
         "message cannot be used with content_type or body"},
        {"{\"message\":\"m\",\"content_type\":\"a/b\"}", "message cannot be used with content_type or body"},
        {"{\"content_type\":\"a/b\"}", "content_type requires a body"},
        {"{\"echo\":true,\"body\":\"b\"}", "echo cannot be used with content_type and body"},
        {"{\"echo\":true,\"body\":\"b\",\"content_type\":\"a/b\"}",
         "echo cannot be used with content_type and body"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char message[256];
        (void)snprintf(message, sizeof(message), "schema violation (config: %s)", cases[i].wrong);
        assert_refused("request-termination", cases[i].config, message);
    }
    assert_refused("request-termination", "{\"status_code\":99}",
                   "schema violation (config.status_code: value should be between 100 and 599)");
    assert_refused("request-termination", "{\"status_code\":600}",
                   "schema violation (config.status_code: value should be between 100 and 599)");
}

static void settings_that_go_together_are_taken(void **state)
{
    static const char *const configs[] = {
        "{\"message\":\"m\",\"echo\":true}",
        "{\"body\":\"b\"}",
        "{\"body\":\"b\",\"content_type\":\"a/b\",\"status_code\":100}",
        "{\"status_code\":599,\"trigger\":\"x-stop\",\"echo\":false,\"body\":\"b\"}",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(configs); i++) {
        struct violations violations;
        cJSON *document = complete("request-termination", configs[i], &violations);
        assert_non_null(document);
        cJSON_Delete(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_of_plugins_that_are_not_enabled_are_hidden),
        cmocka_unit_test(priorities_descend_and_equal_ones_descend_by_name),
        cmocka_unit_test(a_chain_can_number_them_all),
        cmocka_unit_test(every_plugin_is_there_once),
        cmocka_unit_test(priorities_and_scopes_are_those_users_know),
        cmocka_unit_test(every_plugin_takes_part_in_something_and_can_be_made_and_freed),
        cmocka_unit_test(schemas_can_be_described),
        cmocka_unit_test(entities_of_plugins_are_entities),
        cmocka_unit_test(settings_of_key_auth_are_checked),
        cmocka_unit_test(names_of_headers_are_letters_digits_dash_and_underscore),
        cmocka_unit_test(a_header_name_in_a_message_is_cut_between_characters),
        cmocka_unit_test(settings_of_request_termination_exclude_each_other),
        cmocka_unit_test(settings_that_go_together_are_taken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
