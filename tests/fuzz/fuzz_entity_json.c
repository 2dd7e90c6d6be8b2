/* library: gateway_plugins */

/*
 * fuzz_entity_json - any JSON as a body of every entity, with the settings of every plugin: what is refused
 * has a message, what is accepted is complete (completing it again accepts it and changes nothing but
 * updated_at), can be merged with the same body, and becomes a typed object.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/plugin_schemas/plugin_schemas.h"
#include "gateway/plugins/registry.h"

enum {
    NOW_S = 1795400100
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct field word = {.name = "elements", .kind = FIELD_STRING};
static const char *const policies[] = {"local", "redis", NULL};
static const struct field inner[] = {
    {.name = "soft", .kind = FIELD_NUMBER, .has_gt = true, .fallback = "10"},
    {.name = "names", .kind = FIELD_SET, .elements = &word, .len_max = 3},
};
static const char *const inner_names[] = {"soft", "names", NULL};
static const struct check inner_checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = inner_names},
                                            {.kind = CHECK_DISTINCT, .names = inner_names}};
static const struct field limit = {.name = "values",
                                   .kind = FIELD_RECORD,
                                   .fields = inner,
                                   .field_count = COUNT(inner),
                                   .checks = inner_checks,
                                   .check_count = COUNT(inner_checks)};
static const struct field config_fields[] = {
    {.name = "policy", .kind = FIELD_STRING, .one_of = policies, .fallback = "\"local\""},
    {.name = "minute", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "limits", .kind = FIELD_MAP, .keys = &word, .values = &limit},
    {.name = "inner",
     .kind = FIELD_RECORD,
     .flags = FIELD_REQUIRED,
     .fields = inner,
     .field_count = COUNT(inner),
     .checks = inner_checks,
     .check_count = COUNT(inner_checks)},
    {.name = "list", .kind = FIELD_ARRAY, .elements = &limit},
};
static const struct field config = {
    .name = "config", .kind = FIELD_RECORD, .fields = config_fields, .field_count = COUNT(config_fields)};
static const struct plugin_schema plugin = {.name = "limit", .config = &config, .refuses_consumer = true};

static void check_refusal(struct violations *violations)
{
    char *message = violations_message(violations);
    assert(violations_any(violations) && strstr(message, "schema violation") != NULL);
    assert(strncmp(message, "0 ", 2) != 0);
    free(message);
}

static void check_decode(const struct schema *schema, const cJSON *document)
{
    void *object = NULL;
    size_t bytes = 0;
    struct err err;
    if (schema->decode == NULL)
        return;
    cJSON *list = cJSON_CreateArray();
    (void)cJSON_AddItemReferenceToArray(list, (cJSON *)(uintptr_t)document);
    bool is_list = schema->lookups[0].is_list;
    bool made = schema->decode(is_list ? list : document, &object, &bytes, &err);
    assert(made && bytes > 0);
    cJSON *shown = schema->show != NULL ? schema->show(object) : NULL; /* what no cache holds is not shown */
    assert(schema->show == NULL || cJSON_HasObjectItem(is_list ? shown->child : shown, "id"));
    cJSON_Delete(shown);
    cJSON_Delete(list);
    schema->release(object);
}

static void check_again(const struct document_context *context, cJSON *document)
{
    struct violations none = {0};
    cJSON *before = cJSON_Duplicate(document, true);
    bool again = document_complete(context, document, &none);
    assert(again && !violations_any(&none));
    assert(cJSON_Compare(before, document, true));
    cJSON_Delete(before);
    violations_fini(&none);
}

static void try_body(const struct document_context *context, const cJSON *body, bool is_form)
{
    struct violations violations = {0};
    cJSON *document = cJSON_Duplicate(body, true);
    if (is_form)
        document_type_form(context->schemas, context->schema, document, NULL);
    bool good = document_complete(context, document, &violations);
    assert(good == !violations_any(&violations));
    if (good) {
        struct document_context update = *context;
        update.op = DOCUMENT_UPDATE;
        check_again(&update, document);
        check_decode(context->schema, document);
        document_merge(context->schema, context->schemas, document, body);
        good = document_complete(&update, document, &violations);
        assert(good || is_form);
    }
    if (!good)
        check_refusal(&violations);
    violations_fini(&violations);
    cJSON_Delete(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *body = cJSON_ParseWithLength((const char *)data, size);
    if (!cJSON_IsObject(body)) {
        cJSON_Delete(body);
        return 0;
    }
    struct schemas *schemas = schemas_new();
    schemas_add_core(schemas);
    schemas_add_plugin(schemas, &plugin);
    for (size_t i = 0; i < plugin_schemas_count(); i++)
        schemas_add_plugin(schemas, plugin_schemas_at(i));
    const struct plugin *running[64];
    for (size_t i = 0; i < registry_count(); i++)
        running[i] = registry_at(i);
    registry_add_schemas(schemas, running, registry_count());
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct document_context context = {.schemas = schemas,
                                                 .schema = schemas_at(schemas, i),
                                                 .op = DOCUMENT_CREATE,
                                                 .now_us = (int64_t)NOW_S * 1000000};
        try_body(&context, body, false);
        try_body(&context, body, true);
    }
    free(key_text(body));
    schemas_free(schemas);
    cJSON_Delete(body);
    return 0;
}
