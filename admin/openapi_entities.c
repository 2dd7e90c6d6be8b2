/*
 * openapi_entities - the components of entities: as answered, in pages, as sent; and of what their abstract
 * field holds, chosen by the entity's name.
 */

#include "admin/openapi_schema.h"

#include <stdlib.h>

#include "admin/names.h"
#include "gateway/base/mem.h"
#include "gateway/model/schema.h"

static const char *const endings[] = {
    [OPENAPI_SHOWN] = "", [OPENAPI_SENT] = ".body", [OPENAPI_CHANGED] = ".change"};

static const struct field *abstract_field(const struct schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if ((schema->fields[i].flags & FIELD_ABSTRACT) != 0)
            return &schema->fields[i];
    return NULL;
}

/* Answers only have what runs; bodies of /schemas/plugins/validate also what does not. */
static const struct plugin_schema *variant_at(const struct openapi_making *making,
                                              const struct schema *schema, size_t index)
{
    size_t running = schemas_plugin_count(making->schemas);

    if (schema->variants != NULL)
        return schema->variants[index];
    if (index < running || making->side == OPENAPI_SHOWN)
        return schemas_plugin_at(making->schemas, index);
    return schemas_idle_plugin_at(making->schemas, index - running);
}

/* What an entity of that name is beyond the schema of all. */
static cJSON *variant_rules(const struct openapi_making *making, const struct schema *schema,
                            const struct field *field, const struct plugin_schema *variant)
{
    cJSON *rule = openapi_json("{'if':{'properties':{'name':{'const':'%s'}},'required':['name']},"
                               "'then':{'properties':{'%s':{'$ref':'#/components/schemas/%s.%s.%s%s'}}}}",
                               variant->name, field->name, schema->name, field->name, variant->name,
                               endings[making->side]);
    cJSON *then = cJSON_GetObjectItemCaseSensitive(rule, "then");
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(then, "properties");

    if (variant->refuses_consumer)
        (void)cJSON_AddItemToObject(properties, "consumer", openapi_json("{'type':'null'}"));
    if (variant->refuses_service)
        (void)cJSON_AddItemToObject(properties, "service", openapi_json("{'type':'null'}"));
    if (variant->refuses_route)
        (void)cJSON_AddItemToObject(properties, "route", openapi_json("{'type':'null'}"));
    return rule;
}

static void add_variants(cJSON *components, cJSON *entity, const struct openapi_making *making,
                         const struct schema *schema)
{
    const struct field *field = abstract_field(schema);
    const struct plugin_schema *variant;

    if (field == NULL || making->side == OPENAPI_CHANGED) /* the name is not said again */
        return;
    cJSON *rules = cJSON_CreateArray();
    for (size_t i = 0; (variant = variant_at(making, schema, i)) != NULL; i++) {
        char *name =
            mem_printf("%s.%s.%s%s", schema->name, field->name, variant->name, endings[making->side]);
        struct field settings = *variant->config;
        settings.flags |= making->side == OPENAPI_SHOWN ? FIELD_REQUIRED : 0; /* null: all defaults */
        (void)cJSON_AddItemToObject(components, name, openapi_field_schema(making, &settings));
        (void)cJSON_AddItemToArray(rules, variant_rules(making, schema, field, variant));
        free(name);
    }
    if (cJSON_GetArraySize(rules) > 0)
        (void)cJSON_AddItemToObject(entity, "allOf", rules);
    else
        cJSON_Delete(rules);
}

/* Members that are no fields. */
static void add_more(cJSON *properties, const struct openapi_making *making, const struct schema *schema)
{
    const char *names = names_member(schema);

    if (schema->has_ttl)
        (void)cJSON_AddItemToObject(
            properties, "ttl",
            openapi_json("{'type':['integer','null'],'minimum':0,'description':'Seconds left to live.'}"));
    if (names != NULL)
        (void)cJSON_AddItemToObject(
            properties, names,
            openapi_json("{'type':%s,'items':{'type':'string'},'description':'Rows of their own.'}",
                         making->side == OPENAPI_SHOWN ? "'array'" : "['array','null']"));
    if (making->side == OPENAPI_SHOWN || schema->shorthands == NULL)
        return;
    for (const struct field *field = schema->shorthands; field->name != NULL; field++)
        (void)cJSON_AddItemToObject(properties, field->name, openapi_field_schema(making, field));
}

static void add_entity(cJSON *components, const struct schemas *schemas, const struct schema *schema,
                       enum openapi_side side)
{
    const struct openapi_making making = {schemas, side};
    char *name = mem_printf("%s%s", schema->name, endings[side]);
    cJSON *entity = cJSON_AddObjectToObject(components, name);

    (void)cJSON_AddStringToObject(entity, "type", "object");
    cJSON *properties = openapi_add_fields(entity, &making, schema->fields, schema->field_count);
    (void)cJSON_AddFalseToObject(entity, "additionalProperties");
    if (side != OPENAPI_SHOWN)
        cJSON_DeleteItemFromObjectCaseSensitive(entity, "required");
    add_more(properties, &making, schema);
    add_variants(components, entity, &making, schema);
    free(name);
}

static void add_page(cJSON *components, const struct schema *schema)
{
    char *name = mem_printf("%s.page", schema->name);

    (void)cJSON_AddItemToObject(
        components, name,
        openapi_json("{'type':'object','properties':{'data':{'type':'array','items':{'$ref':"
                     "'#/components/schemas/%s'}},'next':{'type':['string','null']},"
                     "'offset':{'type':'string'}},'required':['data','next'],'additionalProperties':false}",
                     schema->name));
    free(name);
}

void openapi_add_entities(cJSON *components, const struct schemas *schemas)
{
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        if (schemas_is_hidden(schemas, schema))
            continue;
        add_entity(components, schemas, schema, OPENAPI_SHOWN);
        add_entity(components, schemas, schema, OPENAPI_SENT);
        add_entity(components, schemas, schema, OPENAPI_CHANGED);
        add_page(components, schema);
    }
}
