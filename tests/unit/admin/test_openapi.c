/*
 * openapi: entities follow from their schemas alone.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "admin/openapi.h"
#include "gateway/base/attributes.h"
#include "gateway/model/schema.h"
#include "gateway/model/texts.h"

static const struct field ship_fields[] = {
    FIELD_ROW_ID,
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_UNIQUE | FIELD_REQUIRED, .check = text_is_name},
    {.name = "masts", .kind = FIELD_INTEGER, .has_between = true, .between_min = 1, .between_max = 5},
    {.name = "service", .kind = FIELD_FOREIGN, .reference = "services"},
};

static const struct schema ship_schema = {
    .name = "ships",
    .path = "ships",
    .parameter = "ships",
    .endpoint_key = "name",
    .fields = ship_fields,
    .field_count = COUNT(ship_fields),
};

static cJSON *write_document(bool hidden)
{
    struct schemas *schemas = schemas_new();
    size_t length = 0;

    schemas_add_core(schemas);
    if (hidden)
        schemas_add_hidden(schemas, &ship_schema);
    else
        schemas_add(schemas, &ship_schema);
    char *text = openapi_write(schemas, &length);
    cJSON *document = cJSON_ParseWithLength(text, length);
    free(text);
    schemas_free(schemas);
    assert_non_null(document);
    return document;
}

/* The member that the names lead to; NULL ends them. */
static const cJSON *find(const cJSON *from, const char *const *names)
{
    while (from != NULL && *names != NULL)
        from = cJSON_GetObjectItemCaseSensitive(from, *names++);
    return from;
}
#define FIND(from, ...) find(from, (const char *const[]){__VA_ARGS__, NULL})

static void a_new_entity_appears_by_itself(void **state)
{
    static const char *const paths[] = {"/ships", "/ships/{ships}", "/services/{services}/ships",
                                        "/services/{services}/ships/{ships}", "/ships/{ships}/service"};
    cJSON *document = write_document(/* hidden= */ false);

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_non_null(FIND(document, "paths", paths[i], "get", "responses", "200"));
    assert_non_null(FIND(document, "paths", "/ships", "post", "requestBody"));
    assert_null(FIND(document, "paths", "/ships", "put"));
    assert_null(FIND(document, "paths", "/ships/{ships}/service", "delete"));
    const cJSON *masts = FIND(document, "components", "schemas", "ships", "properties", "masts");
    assert_int_equal(FIND(masts, "maximum")->valueint, 5);
    assert_string_equal(FIND(masts, "type")->child->next->valuestring, "null");
    assert_non_null(FIND(document, "components", "schemas", "ships.body", "properties", "name"));
    cJSON_Delete(document);
}

static void a_hidden_entity_does_not(void **state)
{
    cJSON *document = write_document(/* hidden= */ true);

    (void)state;
    assert_null(FIND(document, "paths", "/ships"));
    assert_null(FIND(document, "paths", "/services/{services}/ships"));
    assert_null(FIND(document, "components", "schemas", "ships"));
    cJSON_Delete(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_entity_appears_by_itself),
        cmocka_unit_test(a_hidden_entity_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
