/*
 * schemas - what entities and plugins look like, and whether a document would do. Needs no database.
 */

#include "admin/handlers.h"

#include "admin/state.h"
#include "gateway/base/clock.h"
#include "gateway/model/document.h"
#include "gateway/model/noted.h"

static void answer_unknown(struct request *request, const char *kind, struct str name)
{
    answer_message(&request->answer, 404, "No %s named '%.*s'", kind, name.len > 256 ? 256 : (int)name.len,
                   name.at);
}

/* The field whose content another schema describes; NULL: there is none. */
static const struct field *abstract_field(const struct schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if ((schema->fields[i].flags & FIELD_ABSTRACT) != 0)
            return &schema->fields[i];
    return NULL;
}

/* Texts of a form get types, but for what a plugin describes: there they stay texts (reference 1.6). */
static void type_form(const struct schemas *schemas, const struct schema *schema, cJSON *document)
{
    const struct field *field = abstract_field(schema);
    cJSON *content = NULL;

    if (field != NULL)
        content = cJSON_DetachItemFromObjectCaseSensitive(document, field->name);
    document_type_form(schemas, schema, document, NULL);
    if (content != NULL)
        (void)cJSON_AddItemToObject(document, field->name, content);
}

static void validate(struct request *request, const struct schema *schema)
{
    const struct schemas *schemas = request->admin->options.schemas;
    const struct clock *clock = clock_system();
    const struct document_context context = {
        .schemas = schemas,
        .schema = schema,
        .op = DOCUMENT_CREATE,
        .now_us = clock->wall_us(clock->arg),
        .takes_idle_plugins = true,
    };
    struct violations violations = {0};

    if (request->body.is_form)
        type_form(schemas, schema, request->body.object);
    if (document_complete(&context, request->body.object, &violations))
        answer_message(&request->answer, 200, "schema validation successful");
    else
        answer_violations(&request->answer, &violations);
    violations_fini(&violations);
}

static const struct plugin_schema *find_plugin(struct request *request)
{
    struct str name = request->path.segments[2];
    const struct plugin_schema *plugin = schemas_find_known_plugin(request->admin->options.schemas, name);

    if (plugin == NULL)
        answer_unknown(request, "plugin", name);
    return plugin;
}

/* NULL: the answer says that there is none. */
static const struct schema *find_entity(struct request *request)
{
    const struct schemas *schemas = request->admin->options.schemas;
    struct str name = request->path.segments[1];
    const struct schema *schema = schemas_find(schemas, name);

    if (schema == NULL)
        schema = noted_find(name);
    else if (schemas_is_hidden(schemas, schema))
        schema = NULL;
    if (schema != NULL)
        return schema;
    answer_unknown(request, "entity", name);
    return NULL;
}

void schema_show(struct request *request)
{
    const struct schema *schema = find_entity(request);

    if (schema != NULL)
        answer_json(&request->answer, 200, schema_describe(schema));
}

void schema_show_plugin(struct request *request)
{
    const struct plugin_schema *plugin = find_plugin(request);

    if (plugin != NULL)
        answer_json(&request->answer, 200, plugin_schema_describe(plugin));
}

static const struct schema *vaults(const struct request *request)
{
    return schemas_find(request->admin->options.schemas, STR("vaults"));
}

void schema_show_vault(struct request *request)
{
    struct str name = request->path.segments[2];
    const struct plugin_schema *variant =
        schemas_find_variant(request->admin->options.schemas, vaults(request), name);

    if (variant != NULL)
        answer_json(&request->answer, 200, variant_describe(variant));
    else
        answer_unknown(request, "vault", name);
}

void schema_validate_vault(struct request *request)
{
    validate(request, vaults(request));
}

/* The older form: the content of `config` alone. */
void schema_show_plugin_config(struct request *request)
{
    const struct plugin_schema *plugin = find_plugin(request);

    if (plugin == NULL)
        return;
    cJSON *description = plugin_schema_describe(plugin);
    cJSON *answer = cJSON_CreateObject();
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(description, "fields"))
    {
        cJSON *config = cJSON_GetObjectItemCaseSensitive(row, "config");
        if (config == NULL)
            continue;
        cJSON *fields = cJSON_DetachItemFromObjectCaseSensitive(config, "fields");
        cJSON *checks = cJSON_DetachItemFromObjectCaseSensitive(config, "entity_checks");
        (void)cJSON_AddItemToObject(answer, "fields", fields != NULL ? fields : cJSON_CreateArray());
        (void)cJSON_AddItemToObject(answer, "entity_checks", checks != NULL ? checks : cJSON_CreateArray());
    }
    cJSON_Delete(description);
    answer_json(&request->answer, 200, answer);
}

/* There are no filters: they would be wasm. */
void schema_show_filter(struct request *request)
{
    struct str name = request->path.segments[2];

    answer_message(&request->answer, 404, "Filter '%.*s' not found", name.len > 256 ? 256 : (int)name.len,
                   name.at);
}

void schema_validate(struct request *request)
{
    const struct schema *schema = find_entity(request);

    if (schema != NULL)
        validate(request, schema);
}

void schema_validate_plugin(struct request *request)
{
    validate(request, schemas_find(request->admin->options.schemas, STR("plugins")));
}
