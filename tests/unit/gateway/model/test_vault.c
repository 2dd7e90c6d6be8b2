/*
 * Vaults: prefixes, kinds, and the record of a kind.
 */

#include "bodies.h"

#define OWN(more) "{\"prefix\":\"own\",\"name\":\"env\"" more "}"

static void what_is_a_vault(void **state)
{
    static const struct body_case cases[] = {
        {OWN(""), NULL, NULL},
        {OWN(",\"config\":{\"prefix\":\"_a-1\"}"), NULL, NULL},
        {OWN(",\"config\":{\"prefix\":\"1\"}"), "{\"config\":{\"prefix\":\"invalid value: 1\"}}",
         "schema violation (config.prefix: invalid value: 1)"},
        {"{\"prefix\":\"a-b-1\",\"name\":\"env\"}", NULL, NULL},
        {"{\"prefix\":\"a\",\"name\":\"env\"}", "{\"prefix\":\"invalid value: a\"}", NULL},
        {"{\"prefix\":\"a-\",\"name\":\"env\"}", "{\"prefix\":\"invalid value: a-\"}", NULL},
        {"{\"prefix\":\"Aa\",\"name\":\"env\"}", "{\"prefix\":\"invalid value: Aa\"}", NULL},
        {"{\"prefix\":\"env\",\"name\":\"env\"}", "{\"prefix\":\"must not be one of: env\"}", NULL},
        {"{\"prefix\":\"own\",\"name\":\"x\"}", "{\"name\":\"vault 'x' is not installed\"}", NULL},
        {"{\"prefix\":\"own\"}", "{\"name\":\"required field missing\"}", NULL},
        {"{\"name\":\"env\"}", "{\"prefix\":\"required field missing\"}", NULL},
    };
    struct schemas *schemas = schemas_new();
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(schemas, &vault_schema, DOCUMENT_CREATE, &cases[i]);
    schemas_free(schemas);
}

static void a_change_of_the_config_merges(void **state)
{
    struct schemas *schemas = schemas_new();
    cJSON *change = parse("{\"config\":{\"prefix\":\"B\"},\"description\":\"d\"}");
    cJSON *stored = accepted(schemas, &vault_schema, OWN(""));
    (void)state;
    assert_member(stored, "config", "{\"prefix\":null}");
    document_merge(&vault_schema, schemas, stored, change);
    assert_member(stored, "config", "{\"prefix\":\"B\"}");
    assert_member(stored, "description", "\"d\"");
    cJSON_Delete(stored);
    cJSON_Delete(change);
    schemas_free(schemas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_vault),
        cmocka_unit_test(a_change_of_the_config_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
