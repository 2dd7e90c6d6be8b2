/*
 * openapi_paths - see openapi_paths.h.
 */

#include "admin/openapi_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/openapi_schema.h"
#include "admin/paging.h"
#include "admin/plugin_endpoints.h"
#include "admin/routes.h"
#include "gateway/base/mem.h"
#include "gateway/model/schema.h"

struct writing {
    cJSON *paths;
    const struct schemas *schemas;
};

static const char *const method_names[METHOD_OFFERED_COUNT] = {
    [METHOD_GET] = "get",     [METHOD_POST] = "post",     [METHOD_PUT] = "put",
    [METHOD_PATCH] = "patch", [METHOD_DELETE] = "delete",
};

static bool has_body(enum method method)
{
    return method == METHOD_POST || method == METHOD_PUT || method == METHOD_PATCH;
}

/* ---- a path, its operations ---- */

/* One for each {x} of the form. */
static void add_path_parameters(cJSON *item, const char *form)
{
    cJSON *parameters = NULL;

    for (const char *open = strchr(form, '{'); open != NULL; open = strchr(open + 1, '{')) {
        int length = (int)strcspn(open + 1, "}");
        if (parameters == NULL)
            parameters = cJSON_AddArrayToObject(item, "parameters");
        (void)cJSON_AddItemToArray(parameters,
                                   openapi_json("{'name':'%.*s','in':'path','required':true,'schema':"
                                                "{'type':'string'}}",
                                                length, open + 1));
    }
}

static cJSON *path_item(struct writing *writing, const char *form)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(writing->paths, form);

    if (item == NULL) {
        item = cJSON_AddObjectToObject(writing->paths, form);
        add_path_parameters(item, form);
    }
    return item;
}

/* "get_services_by_services_routes": unlike the path it has only letters that names in programs may have. */
static void add_operation_id(cJSON *operation, enum method method, const char *form)
{
    struct buf id = {0};

    buf_add_text(&id, method_names[method]);
    for (const char *at = form; *at != '\0'; at++) {
        if (*at == '/')
            buf_add_byte(&id, '_');
        else if (*at == '{')
            buf_add_text(&id, "by_");
        else if (*at != '}')
            buf_add_byte(&id, *at == '-' || *at == '.' ? '_' : *at);
    }
    (void)cJSON_AddStringToObject(operation, "operationId", id.at);
    buf_fini(&id);
}

static void refer_to(cJSON *responses, int status, const char *component)
{
    char text[8];

    (void)snprintf(text, sizeof(text), "%d", status);
    if (cJSON_GetObjectItemCaseSensitive(responses, text) == NULL)
        (void)cJSON_AddItemToObject(responses, text,
                                    openapi_json("{'$ref':'#/components/responses/%s'}", component));
}

/* What may come of every request. */
static void add_common_answers(cJSON *responses, enum method method)
{
    refer_to(responses, 400, "BadRequest");
    refer_to(responses, 401, "Unauthorized");
    refer_to(responses, 403, "Forbidden");
    if (has_body(method)) {
        refer_to(responses, 413, "TooLarge");
        refer_to(responses, 415, "UnsupportedType");
    }
    if (method != METHOD_GET)
        refer_to(responses, 202, "Committed");
    refer_to(responses, 500, "Failed");
    refer_to(responses, 503, "Busy");
    refer_to(responses, 504, "NotThere");
}

static void add_body(cJSON *operation, cJSON *schema_give)
{
    static const char *const types[] = {"application/json", "application/x-www-form-urlencoded",
                                        "multipart/form-data"};
    cJSON *body = cJSON_AddObjectToObject(operation, "requestBody");
    cJSON *content = cJSON_AddObjectToObject(body, "content");

    for (size_t i = 0; i < COUNT(types); i++)
        (void)cJSON_AddItemToObject(cJSON_AddObjectToObject(content, types[i]), "schema",
                                    cJSON_Duplicate(schema_give, true));
    cJSON_Delete(schema_give);
}

/* Returns the response. schema_give NULL: no content. */
static cJSON *add_answer(cJSON *responses, int status, const char *type, cJSON *schema_give)
{
    static const struct {
        int status;
        const char *meaning;
    } meanings[] = {{200, "As asked."}, {201, "It has been created."}, {204, "It has been done."}};
    cJSON *response = cJSON_CreateObject();
    char text[8];
    const char *meaning = "Refused.";

    for (size_t i = 0; i < COUNT(meanings); i++)
        if (meanings[i].status == status)
            meaning = meanings[i].meaning;
    (void)snprintf(text, sizeof(text), "%d", status);
    (void)cJSON_AddStringToObject(response, "description", meaning);
    (void)cJSON_AddItemToObject(responses, text, response);
    if (schema_give != NULL) {
        cJSON *content = cJSON_AddObjectToObject(response, "content");
        (void)cJSON_AddItemToObject(cJSON_AddObjectToObject(content, type), "schema", schema_give);
    }
    return response;
}

/* ---- entities ---- */

static bool is_list(const struct crud_template *template)
{
    return template->kind == CRUD_COLLECTION || template->kind == CRUD_NESTED_COLLECTION;
}

static bool is_nested(const struct crud_template *template)
{
    return template->kind == CRUD_NESTED_COLLECTION || template->kind == CRUD_NESTED_ENTITY;
}

static void add_summary(cJSON *operation, const struct crud_template *template, enum method method)
{
    static const char *const of_one[METHOD_OFFERED_COUNT] = {
        [METHOD_GET] = "Show one",
        [METHOD_POST] = "",
        [METHOD_PUT] = "Replace, or create, one",
        [METHOD_PATCH] = "Change one",
        [METHOD_DELETE] = "Delete one",
    };
    const char *what = !is_list(template)      ? of_one[method]
                       : method == METHOD_POST ? "Create one"
                                               : "List some";
    const char *where = is_nested(template)             ? " below its parent"
                        : template->kind == CRUD_PARENT ? " through what refers to it"
                                                        : "";
    char *text = mem_printf("%s of %s%s", what, template->schema->name, where);

    (void)cJSON_AddStringToObject(operation, "summary", text);
    free(text);
}

static void add_list_parameters(cJSON *operation, const struct crud_template *template)
{
    cJSON *parameters = cJSON_AddArrayToObject(operation, "parameters");
    const char *filter = template->kind == CRUD_COLLECTION ? paging_filter(template->schema) : NULL;

    (void)cJSON_AddItemToArray(parameters, openapi_json("{'$ref':'#/components/parameters/size'}"));
    (void)cJSON_AddItemToArray(parameters, openapi_json("{'$ref':'#/components/parameters/offset'}"));
    if (template->schema->has_tags && template->kind == CRUD_COLLECTION)
        (void)cJSON_AddItemToArray(parameters, openapi_json("{'$ref':'#/components/parameters/tags'}"));
    if (filter != NULL)
        (void)cJSON_AddItemToArray(
            parameters, openapi_json("{'name':'%s','in':'query','schema':{'type':'string','minLength':1},"
                                     "'description':'Only the one with this value.'}",
                                     filter));
}

/* What every request may say. */
static void add_common_parameters(cJSON *operation, enum method method)
{
    static const char *const names[] = {"Freshet-Min-Position", "wait", "wait_timeout"};
    cJSON *parameters = cJSON_GetObjectItemCaseSensitive(operation, "parameters");
    size_t count = method == METHOD_GET ? 1 : COUNT(names);

    if (parameters == NULL)
        parameters = cJSON_AddArrayToObject(operation, "parameters");
    for (size_t i = 0; i < count; i++)
        (void)cJSON_AddItemToArray(parameters,
                                   openapi_json("{'$ref':'#/components/parameters/%s'}", names[i]));
}

/* What depends on the version that is there, of one entity. */
static void add_conditions(cJSON *operation, cJSON *responses, enum method method)
{
    cJSON *parameters = cJSON_AddArrayToObject(operation, "parameters");

    (void)cJSON_AddItemToArray(parameters, openapi_json("{'$ref':'#/components/parameters/If-Match'}"));
    (void)cJSON_AddItemToArray(parameters, openapi_json("{'$ref':'#/components/parameters/If-None-Match'}"));
    if (method == METHOD_GET)
        refer_to(responses, 304, "NotModified");
    refer_to(responses, 412, "PreconditionFailed");
}

static void add_headers(cJSON *response, const struct crud_template *template, enum method method)
{
    bool has_key = template->schema->cache_keys != NULL && method != METHOD_DELETE;
    cJSON *headers = cJSON_AddObjectToObject(response, "headers");

    if (has_key)
        (void)cJSON_AddItemToObject(headers, "X-Cache-Key",
                                    openapi_json("{'$ref':'#/components/headers/X-Cache-Key'}"));
    if (method != METHOD_DELETE)
        (void)cJSON_AddItemToObject(headers, "ETag", openapi_json("{'$ref':'#/components/headers/ETag'}"));
    if (method != METHOD_GET)
        (void)cJSON_AddItemToObject(headers, "Freshet-Position",
                                    openapi_json("{'$ref':'#/components/headers/Freshet-Position'}"));
}

static void add_success(cJSON *responses, const struct crud_template *template, enum method method)
{
    const char *name = template->schema->name;
    static const char entity[] = "{'$ref':'#/components/schemas/%s'}";

    if (method == METHOD_DELETE)
        add_headers(add_answer(responses, 204, NULL, NULL), template, method);
    else if (!is_list(template))
        add_headers(add_answer(responses, 200, "application/json", openapi_json(entity, name)), template,
                    method);
    else if (method == METHOD_POST)
        add_headers(add_answer(responses, 201, "application/json", openapi_json(entity, name)), template,
                    method);
    else
        (void)add_answer(responses, 200, "application/json",
                         openapi_json("{'$ref':'#/components/schemas/%s.page'}", name));
}

/* The path says which parent and, if not by its id, which name; a shorthand may stand for any other field. */
static bool is_asked_for(const struct field *field, const struct crud_template *template, enum method method)
{
    const char *key = is_nested(template) && template->schema->nested_key != NULL
                          ? template->schema->nested_key
                          : template->schema->endpoint_key;
    bool is_parent = is_nested(template) && field->kind == FIELD_FOREIGN &&
                     strcmp(field->reference, template->other->name) == 0;
    bool is_name = method == METHOD_PUT && key != NULL && strcmp(field->name, key) == 0;

    return openapi_is_needed(field, OPENAPI_SENT) && !is_parent && !is_name &&
           template->schema->shorthands == NULL;
}

static cJSON *body_schema(const struct crud_template *template, enum method method)
{
    const struct schema *schema = template->schema;
    bool is_change = method == METHOD_PATCH || (method == METHOD_PUT && schema->put_only_changes);
    cJSON *entity =
        openapi_json("{'$ref':'#/components/schemas/%s.%s'}", schema->name, is_change ? "change" : "body");
    cJSON *both = openapi_json("{'allOf':[],'required':[]}");
    cJSON *required = cJSON_GetObjectItemCaseSensitive(both, "required");

    for (size_t i = 0; i < schema->field_count && !is_change; i++)
        if (is_asked_for(&schema->fields[i], template, method))
            (void)cJSON_AddItemToArray(required, cJSON_CreateString(schema->fields[i].name));
    if (cJSON_GetArraySize(required) == 0) {
        cJSON_Delete(both);
        return entity;
    }
    (void)cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(both, "allOf"), entity);
    return both;
}

static void add_entity_operation(struct writing *writing, const struct crud_template *template,
                                 enum method method)
{
    cJSON *operation = cJSON_AddObjectToObject(path_item(writing, template->text), method_names[method]);

    (void)cJSON_AddItemToObject(operation, "tags", openapi_json("['%s']", template->schema->name));
    add_summary(operation, template, method);
    add_operation_id(operation, method, template->text);
    if (is_list(template) && method == METHOD_GET)
        add_list_parameters(operation, template);
    if (has_body(method))
        add_body(operation, body_schema(template, method));
    cJSON *responses = cJSON_AddObjectToObject(operation, "responses");
    add_success(responses, template, method);
    if (!is_list(template))
        add_conditions(operation, responses, method);
    add_common_parameters(operation, method);
    if (template->kind != CRUD_COLLECTION)
        refer_to(responses, 404, "NotFound");
    if (has_body(method))
        refer_to(responses, 409, "Conflict");
    add_common_answers(responses, method);
}

static void add_entity_path(void *arg, const struct crud_template *template)
{
    struct writing *writing = arg;

    for (enum method method = METHOD_GET; method <= METHOD_DELETE && !template->is_closed; method++) {
        bool is_refused = template->kind == CRUD_PARENT && method == METHOD_DELETE;
        if (crud_offers(template->kind, template->is_by_id, method) && !is_refused)
            add_entity_operation(writing, template, method);
    }
}

/* ---- the rows of routes.c ---- */

static void add_arguments(cJSON *operation, const char *form)
{
    cJSON *parameters = NULL;

    for (const struct openapi_argument *row = openapi_arguments; row->form != NULL; row++) {
        if (strcmp(row->form, form) != 0)
            continue;
        if (parameters == NULL)
            parameters = cJSON_AddArrayToObject(operation, "parameters");
        (void)cJSON_AddItemToArray(parameters,
                                   openapi_json("{'name':'%s','in':'query','schema':%s,'description':'%s'}",
                                                row->name, row->schema, row->meaning));
    }
}

static bool is_of(enum method row_method, const char *row_form, enum method method, const char *form)
{
    return (row_method == method || row_method == METHOD_OTHER) && strcmp(row_form, form) == 0;
}

static void add_row(void *arg, enum method method, const char *form)
{
    struct writing *writing = arg;
    cJSON *operation = cJSON_AddObjectToObject(path_item(writing, form), method_names[method]);

    (void)cJSON_AddItemToObject(operation, "tags", openapi_json("['node']"));
    for (const struct openapi_operation *row = openapi_operations; row->form != NULL; row++)
        if (is_of(row->method, row->form, method, form))
            (void)cJSON_AddStringToObject(operation, "summary", row->summary);
    add_operation_id(operation, method, form);
    add_arguments(operation, form);
    add_common_parameters(operation, method);
    cJSON *responses = cJSON_CreateObject();
    for (const struct openapi_answer *row = openapi_answers; row->form != NULL; row++) {
        if (!is_of(row->method, row->form, method, form))
            continue;
        cJSON *schema = row->schema != NULL ? openapi_json("%s", row->schema) : NULL;
        if (row->status == 0)
            add_body(operation, schema);
        else
            (void)add_answer(responses, row->status, row->type != NULL ? row->type : "application/json",
                             schema);
    }
    add_common_answers(responses, method);
    (void)cJSON_AddItemToObject(operation, "responses", responses);
}

static void add_of_plugin(void *arg, enum method method, const struct plugin_endpoint *endpoint)
{
    struct writing *writing = arg;
    cJSON *operation = cJSON_AddObjectToObject(path_item(writing, endpoint->form), method_names[method]);

    (void)cJSON_AddItemToObject(operation, "tags", openapi_json("['node']"));
    (void)cJSON_AddStringToObject(operation, "summary", endpoint->summary);
    add_operation_id(operation, method, endpoint->form);
    cJSON *responses = cJSON_AddObjectToObject(operation, "responses");
    if (endpoint->shown != NULL)
        (void)add_answer(responses, 200, "application/json", openapi_json("%s", endpoint->shown));
    else
        (void)add_answer(responses, 204, NULL, NULL);
    refer_to(responses, 404, "NotFound");
    add_common_answers(responses, method);
}

void openapi_add_paths(cJSON *paths, const struct schemas *schemas)
{
    struct writing writing = {.paths = paths, .schemas = schemas};

    routes_each(add_row, &writing);
    plugin_endpoints_each(schemas, add_of_plugin, &writing);
    crud_templates(schemas, add_entity_path, &writing);
}
