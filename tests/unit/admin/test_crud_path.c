/*
 * What the path of an entity means, with a plugin's entity seen and hidden.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/crud.h"
#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

#define ID "0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"

static const struct field key_fields[] = {
    {.name = "id", .kind = FIELD_STRING, .flags = FIELD_UUID | FIELD_AUTO},
    {.name = "consumer", .kind = FIELD_FOREIGN, .reference = "consumers"},
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_UNIQUE},
};

static const struct schema keys = {
    .name = "keys_of_a_plugin",
    .path = "tokens",
    .nested_path = "token",
    .parameter = "tokens",
    .endpoint_key = "key",
    .fields = key_fields,
    .field_count = COUNT(key_fields),
};

static struct schemas *make_schemas(bool hidden)
{
    struct schemas *schemas = schemas_new();

    schemas_add_core(schemas);
    (hidden ? schemas_add_hidden : schemas_add)(schemas, &keys);
    return schemas;
}

/* "kind schema key=text other key=text foreign", or "" when nothing is there. The caller frees it. */
static char *meaning(const struct schemas *schemas, const char *text)
{
    static const char *const kinds[] = {"collection", "entity", "nested collection", "nested entity",
                                        "parent"};
    struct crud_target target;
    struct path path;
    struct buf buf = {0};

    if (path_parse(str_of(text), &path) && crud_find(schemas, &path, &target)) {
        buf_printf(&buf, "%s of %s", kinds[target.kind], target.schema->name);
        if (target.key.field != NULL)
            buf_printf(&buf, ", %s=%.*s", target.key.field, STR_ARG(target.key.text));
        if (target.other != NULL)
            buf_printf(&buf, ", by %s of %s, %s=%.*s", target.foreign_name, target.other->name,
                       target.other_key.field, STR_ARG(target.other_key.text));
    }
    path_fini(&path);
    return buf.at != NULL ? buf_take(&buf) : mem_strdup("");
}

static void means(const struct schemas *schemas, const char *path, const char *expected)
{
    char *got = meaning(schemas, path);

    assert_string_equal(got, expected);
    free(got);
}

static void paths_follow_from_the_schemas(void **state)
{
    struct schemas *schemas = make_schemas(/* hidden= */ false);

    (void)state;
    means(schemas, "/services", "collection of services");
    means(schemas, "/services/", "collection of services");
    means(schemas, "/services/a", "entity of services, name=a");
    means(schemas, "/services/" ID, "entity of services, id=" ID);
    means(schemas, "/consumers/a%20b", "entity of consumers, username=a b");
    means(schemas, "/plugins/x", "entity of plugins, instance_name=x");
    means(schemas, "/services/a/routes", "nested collection of routes, by service of services, name=a");
    means(schemas, "/services/a/routes/b", "nested entity of routes, name=b, by service of services, name=a");
    means(schemas, "/routes/b/service", "parent of services, by service of routes, name=b");
    means(schemas, "/plugins/" ID "/consumer", "parent of consumers, by consumer of plugins, id=" ID);
    means(schemas, "/upstreams/u/targets/t",
          "nested entity of targets, target=t, by upstream of upstreams, name=u");
    means(schemas, "/upstreams/u/targets/all",
          "nested collection of targets, by upstream of upstreams, name=u");
    means(schemas, "/services/a/client_certificate",
          "parent of certificates, by client_certificate of services, name=a");
    means(schemas, "/certificates/a.test", "entity of certificates, name=a.test");
    means(schemas, "/certificates/" ID "/snis/b",
          "nested entity of snis, name=b, by certificate of certificates, id=" ID);
    means(schemas, "/certificates/a.test/services",
          "nested collection of services, by client_certificate of certificates, name=a.test");
    means(schemas, "/tokens/k", "entity of keys_of_a_plugin, key=k");
    means(schemas, "/consumers/c/token/k",
          "nested entity of keys_of_a_plugin, key=k, by consumer of consumers, username=c");
    means(schemas, "/tokens/k/consumer", "parent of consumers, by consumer of keys_of_a_plugin, key=k");
    schemas_free(schemas);
}

static void other_paths_mean_nothing(void **state)
{
    static const char *const paths[] = {"/",
                                        "/nothing",
                                        "/Services",
                                        "/services/a/nothing",
                                        "/services/a/services",
                                        "/services/a/tokens",
                                        "/routes/a/routes",
                                        "/services/a/routes/b/service",
                                        "/services/a/routes/b/plugins",
                                        "/routes/a/service/b",
                                        "/targets",
                                        "/targets/a",
                                        "/targets/a/upstream",
                                        "/snis/a/certificate",
                                        "/upstreams/u/targets/all/x",
                                        "/upstreams/u/routes",
                                        "/keys_of_a_plugin",
                                        "/token",
                                        "/consumers/c/tokens"};
    struct schemas *schemas = make_schemas(/* hidden= */ false);

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        means(schemas, paths[i], "");
    schemas_free(schemas);
}

static void count_those_with_tokens(void *arg, const struct crud_template *template)
{
    if (strstr(template->text, "token") != NULL)
        ++*(int *)arg;
}

static void hidden_entities_have_no_path(void **state)
{
    static const char *const paths[] = {"/tokens", "/tokens/k", "/tokens/k/consumer", "/consumers/c/token",
                                        "/consumers/c/token/k"};
    struct schemas *schemas = make_schemas(/* hidden= */ true);
    struct schemas *seen = make_schemas(/* hidden= */ false);
    int hidden_count = 0;
    int seen_count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        means(schemas, paths[i], "");
    crud_templates(schemas, count_those_with_tokens, &hidden_count);
    crud_templates(seen, count_those_with_tokens, &seen_count);
    assert_int_equal(hidden_count, 0);
    assert_int_equal(seen_count, COUNT(paths));
    schemas_free(schemas);
    schemas_free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_follow_from_the_schemas),
        cmocka_unit_test(other_paths_mean_nothing),
        cmocka_unit_test(hidden_entities_have_no_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
