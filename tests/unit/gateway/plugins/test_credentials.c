/*
 * Credentials and groups: what is made of a body, what a change must say, and where the cache has them.
 */

#include "tests/unit/gateway/model/bodies.h"

#include "gateway/chain/plugin.h"
#include "gateway/plugins/acl.h"
#include "gateway/plugins/basic_auth.h"
#include "gateway/plugins/hmac_auth.h"
#include "gateway/plugins/jwt_secrets.h"
#include "gateway/plugins/key_auth.h"
#include "gateway/plugins/registry.h"

#define CONSUMER "5b1e0000-0000-4000-8000-0000000000aa"
#define BELONGS  "\"consumer\":{\"id\":\"" CONSUMER "\"}"

#define ROW "\"id\":\"5b1e0000-0000-4000-8000-0000000000cc\",\"created_at\":7," BELONGS

static const char hash_of_kong[] = "bd850745a3e647924fad08c764d3ca3781d5ec95";

static int setup(void **state)
{
    struct schemas *schemas = schemas_new();
    const struct plugin *all[64];

    for (size_t i = 0; i < registry_count(); i++)
        all[i] = registry_at(i);
    schemas_add_core(schemas);
    registry_add_schemas(schemas, all, registry_count());
    *state = schemas;
    return 0;
}

static int teardown(void **state)
{
    schemas_free(*state);
    return 0;
}

static void they_are_there_while_their_plugins_are_enabled(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *path;
    } cases[] = {{&acls_schema, "acls"},
                 {&basicauth_credentials_schema, "basic-auths"},
                 {&hmacauth_credentials_schema, "hmac-auths"},
                 {&jwt_secrets_schema, "jwts"}};
    struct schemas *off = schemas_new();

    schemas_add_core(off);
    registry_add_schemas(off, NULL, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_ptr_equal(schemas_find_path(*state, str_of(cases[i].path)), cases[i].schema);
        assert_null(schemas_find_path(off, str_of(cases[i].path)));
        assert_true(schemas_is_hidden(off, schemas_find(off, str_of(cases[i].schema->name))));
    }
    schemas_free(off);
}

static void a_password_is_hashed_with_the_id_of_its_consumer(void **state)
{
    cJSON *document = accepted(*state, &basicauth_credentials_schema,
                               "{\"username\":\"u\",\"password\":\"kong\"," BELONGS "}");

    assert_string_equal(document_text(document, "password"), hash_of_kong);
    cJSON_Delete(document);
}

static void a_change_without_a_password_leaves_the_hash_alone(void **state)
{
    static const char *const changes[] = {"{\"username\":\"v\"}", "{}", "{\"password\":\"kong\"}"};
    cJSON *stored = accepted(*state, &basicauth_credentials_schema,
                             "{\"username\":\"u\",\"password\":\"kong\"," BELONGS "}");

    for (size_t i = 0; i < COUNT(changes); i++) {
        struct violations violations = {0};
        cJSON *change = parse(changes[i]);
        cJSON *merged = cJSON_Duplicate(stored, true);
        const struct document_context context = {.schemas = *state,
                                                 .schema = &basicauth_credentials_schema,
                                                 .op = DOCUMENT_UPDATE,
                                                 .now_us = bodies_now_us,
                                                 .change = change};
        document_merge(context.schema, context.schemas, merged, change);
        assert_true(document_complete(&context, merged, &violations));
        assert_string_equal(document_text(merged, "password"), hash_of_kong);
        cJSON_Delete(merged);
        cJSON_Delete(change);
    }
    cJSON_Delete(stored);
}

static void a_new_password_and_its_consumer_come_together(void **state)
{
    static const struct {
        const char *change;
        bool good;
    } cases[] = {{"{}", true},
                 {"{\"username\":\"u\"}", true},
                 {"{\"password\":\"x\"," BELONGS "}", true},
                 {"{\"password\":\"x\"}", false},
                 {"{" BELONGS "}", false},
                 {"{\"password\":null," BELONGS "}", false}};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct violations violations = {0};
        cJSON *change = parse(cases[i].change);
        document_check_change(&basicauth_credentials_schema, change, &violations);
        assert_true(violations_any(&violations) != cases[i].good);
        if (!cases[i].good)
            assert_json(violations.fields, "{\"@entity\":[\"all or none of these fields must be set: "
                                           "'password', 'consumer.id'\"]}");
        violations_fini(&violations);
        cJSON_Delete(change);
    }
}

static void keys_and_secrets_are_made(void **state)
{
    cJSON *jwt = accepted(*state, &jwt_secrets_schema, "{" BELONGS "}");
    cJSON *own = accepted(*state, &jwt_secrets_schema, "{\"key\":\"k\",\"secret\":\"s\"," BELONGS "}");
    cJSON *hmac = accepted(*state, &hmacauth_credentials_schema, "{\"username\":\"u\"," BELONGS "}");

    assert_int_equal(strlen(document_text(jwt, "key")), 32);
    assert_int_equal(strlen(document_text(jwt, "secret")), 32);
    assert_string_equal(document_text(jwt, "algorithm"), "HS256");
    assert_string_equal(document_text(own, "key"), "k");
    assert_string_equal(document_text(own, "secret"), "s");
    assert_int_equal(strlen(document_text(hmac, "secret")), 32);
    cJSON_Delete(hmac);
    cJSON_Delete(own);
    cJSON_Delete(jwt);
}

static void rsa_needs_a_key_that_can_be_read(void **state)
{
    static const char missing[] =
        "{\"@entity\":[\"failed conditional validation given value of field 'algorithm'\"],"
        "\"rsa_public_key\":\"required field missing\"}";
    static const char invalid[] =
        "{\"@entity\":[\"failed conditional validation given value of field 'algorithm'\"],"
        "\"rsa_public_key\":\"invalid key\"}";
    static const struct body_case cases[] = {
        {"{\"algorithm\":\"RS256\"," BELONGS "}", missing, NULL},
        {"{\"algorithm\":\"RS384\",\"rsa_public_key\":null," BELONGS "}", missing, NULL},
        {"{\"algorithm\":\"RS512\",\"rsa_public_key\":\"x\"," BELONGS "}", invalid, NULL},
        {"{\"algorithm\":\"RS256\",\"rsa_public_key\":\"-----BEGIN PUBLIC KEY-----\\nMA==\\n-----END PUBLIC "
         "KEY-----\\n\"," BELONGS "}",
         invalid, NULL},
        {"{\"algorithm\":\"ES256\"," BELONGS "}", NULL, NULL},
        {"{\"algorithm\":\"HS512\",\"rsa_public_key\":\"x\"," BELONGS "}", NULL, NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(*state, &jwt_secrets_schema, DOCUMENT_CREATE, &cases[i]);
}

static void add_key(void *arg, int lookup, struct str key)
{
    (void)lookup;
    buf_printf(arg, "%.*s\n", STR_ARG(key));
}

static void the_cache_knows_them_by_what_clients_send(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *body;
        const char *keys;
    } cases[] = {
        {&acls_schema, "{\"group\":\"g\"," BELONGS "}",
         "acls:" CONSUMER ":g::::" DEFAULT_WORKSPACE "\nacls:" CONSUMER ":::::" DEFAULT_WORKSPACE "\n"},
        {&basicauth_credentials_schema, "{\"username\":\"u\",\"password\":\"p\"," BELONGS "}",
         "basicauth_credentials:u:::::" DEFAULT_WORKSPACE "\n"},
        {&hmacauth_credentials_schema, "{\"username\":\"u\"," BELONGS "}",
         "hmacauth_credentials:u:::::" DEFAULT_WORKSPACE "\n"},
        {&jwt_secrets_schema, "{\"key\":\"k\"," BELONGS "}", "jwt_secrets:k:::::" DEFAULT_WORKSPACE "\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf keys = {0};
        cJSON *document = accepted(*state, cases[i].schema, cases[i].body);
        cases[i].schema->cache_keys(cases[i].schema, document, add_key, &keys);
        assert_string_equal(keys.at, cases[i].keys);
        buf_fini(&keys);
        cJSON_Delete(document);
    }
}

/* What the cache holds is shown with all members but nulls (Admin API reference, 4). */
static void what_the_cache_holds_of_them_can_be_shown(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *row;
    } cases[] = {
        {&keyauth_credentials_schema, "{" ROW ",\"key\":\"k\",\"tags\":[\"t\"]}"},
        {&basicauth_credentials_schema, "{" ROW ",\"username\":\"u\",\"password\":\"p\",\"tags\":[\"t\"]}"},
        {&hmacauth_credentials_schema, "{" ROW ",\"username\":\"u\",\"secret\":\"s\",\"tags\":[\"t\"]}"},
        {&jwt_secrets_schema, "{" ROW ",\"key\":\"k\",\"secret\":\"s\",\"rsa_public_key\":\"no key\","
                              "\"algorithm\":\"ES256\",\"tags\":[\"t\"]}"},
        {&acls_schema, "[{" ROW ",\"group\":\"a\",\"tags\":[\"t\"]},{" ROW ",\"group\":\"b\"}]"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cJSON *row = parse(cases[i].row);
        void *object = NULL;
        size_t bytes = 0;
        struct err err;
        assert_true(cases[i].schema->decode(row, &object, &bytes, &err));
        assert_true(bytes > 0);
        cJSON *shown = cases[i].schema->show(object);
        assert_json(shown, cases[i].row);
        cJSON_Delete(shown);
        cases[i].schema->release(object);
        cJSON_Delete(row);
    }
}

static void what_is_no_credential_is_not_taken_for_one(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *row;
    } cases[] = {
        {&keyauth_credentials_schema, "{" ROW "}"},
        {&basicauth_credentials_schema, "{" ROW ",\"username\":\"u\"}"},
        {&hmacauth_credentials_schema, "{\"id\":\"" CONSUMER "\",\"username\":\"u\"}"},
        {&jwt_secrets_schema, "{" ROW "}"},
        {&acls_schema, "[{" ROW ",\"group\":\"a\"},{" ROW "}]"},
        {&acls_schema, "[]"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cJSON *row = parse(cases[i].row);
        void *object = NULL;
        size_t bytes = 0;
        struct err err;
        assert_false(cases[i].schema->decode(row, &object, &bytes, &err));
        assert_null(object);
        cJSON_Delete(row);
    }
}

static void a_group_is_a_key_below_its_consumer_only(void **state)
{
    char message[256];
    (void)state;

    assert_null(acls_schema.endpoint_key);
    assert_string_equal(acls_schema.nested_key, "group");
    assert_true(document_check_key(&acls_schema, STR("a b"), message));
    assert_false(document_check_key(&acls_schema, STR("a\xff"), message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_there_while_their_plugins_are_enabled),
        cmocka_unit_test(a_password_is_hashed_with_the_id_of_its_consumer),
        cmocka_unit_test(a_change_without_a_password_leaves_the_hash_alone),
        cmocka_unit_test(a_new_password_and_its_consumer_come_together),
        cmocka_unit_test(keys_and_secrets_are_made),
        cmocka_unit_test(rsa_needs_a_key_that_can_be_read),
        cmocka_unit_test(the_cache_knows_them_by_what_clients_send),
        cmocka_unit_test(what_the_cache_holds_of_them_can_be_shown),
        cmocka_unit_test(what_is_no_credential_is_not_taken_for_one),
        cmocka_unit_test(a_group_is_a_key_below_its_consumer_only),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
