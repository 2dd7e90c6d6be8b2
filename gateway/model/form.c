/*
 * form - the texts of a form body turned into what the schema wants, where that is possible (Admin API
 * reference 1.6). What cannot be turned stays a text, so that validation says what is wrong with it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"

static void type_record(const struct field *fields, size_t field_count, cJSON *record);

static void replace(cJSON *holder, cJSON *old, cJSON *new)
{
    (void)cJSON_ReplaceItemViaPointer(holder, old, new);
}

static void type_number(cJSON *holder, cJSON *value)
{
    char *end;
    const char *text = value->valuestring;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || strpbrk(text, "nNiIpP") != NULL || text[0] == ' ')
        return;
    cJSON *typed = cJSON_CreateNumber(number);
    typed->string = mem_strdup(value->string);
    replace(holder, value, typed);
}

static void type_boolean(cJSON *value)
{
    bool is_true = strcmp(value->valuestring, "true") == 0;
    if (!is_true && strcmp(value->valuestring, "false") != 0)
        return;
    free(value->valuestring);
    value->valuestring = NULL;
    value->type = (value->type & ~0xff) | (is_true ? cJSON_True : cJSON_False);
}

/* The scalar moves into an array of its own, in its place. */
static void wrap(cJSON *value)
{
    cJSON *inner = cJSON_Duplicate(value, true);
    if ((inner->type & cJSON_StringIsConst) == 0)
        free(inner->string);
    inner->string = NULL;
    free(value->valuestring);
    value->valuestring = NULL;
    value->type = (value->type & ~0xff) | cJSON_Array;
    cJSON_AddItemToArray(value, inner);
}

static void type_value(const struct field *field, cJSON *holder, cJSON *value);

static void type_items(const struct field *field, cJSON *holder)
{
    for (cJSON *item = holder->child, *next; item != NULL; item = next) {
        next = item->next;
        type_value(field, holder, item);
    }
}

static void type_value(const struct field *field, cJSON *holder, cJSON *value)
{
    bool is_container = cJSON_IsArray(value) || cJSON_IsObject(value);
    switch (field->kind) {
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        if (cJSON_IsString(value))
            type_number(holder, value);
        break;
    case FIELD_BOOLEAN:
        if (cJSON_IsString(value))
            type_boolean(value);
        break;
    case FIELD_ARRAY:
    case FIELD_SET:
        if (!is_container && !cJSON_IsNull(value))
            wrap(value);
        if (cJSON_IsArray(value))
            type_items(field->elements, value);
        break;
    case FIELD_MAP:
        if (cJSON_IsObject(value))
            type_items(field->values, value);
        break;
    case FIELD_RECORD:
        if (cJSON_IsObject(value))
            type_record(field->fields, field->field_count, value);
        break;
    case FIELD_STRING:
    case FIELD_FOREIGN:
    default:
        break;
    }
}

static void type_record(const struct field *fields, size_t field_count, cJSON *record)
{
    for (size_t i = 0; i < field_count; i++) {
        cJSON *value = cJSON_GetObjectItemCaseSensitive(record, fields[i].name);
        if (value != NULL)
            type_value(&fields[i], record, value);
    }
}

/* By the record of the plugin that is or was named. */
static void type_config(const struct schemas *schemas, const struct schema *schema, cJSON *document,
                        const cJSON *stored)
{
    const char *name = document_text(document, "name");
    if (name == NULL)
        name = document_text(stored, "name");
    const struct plugin_schema *plugin = schemas_find_variant(schemas, schema, str_of(name));
    cJSON *config = cJSON_GetObjectItemCaseSensitive(document, "config");
    if (plugin != NULL && cJSON_IsObject(config))
        type_record(plugin->config->fields, plugin->config->field_count, config);
}

/* By the fields of the entity referred to. */
static void type_reference(const struct schemas *schemas, const struct field *field, const cJSON *document)
{
    const struct schema *other = schemas_find(schemas, str_of(field->reference));
    cJSON *reference = cJSON_GetObjectItemCaseSensitive(document, field->name);
    if (other != NULL && cJSON_IsObject(reference))
        type_record(other->fields, other->field_count, reference);
}

void document_type_form(const struct schemas *schemas, const struct schema *schema, cJSON *document,
                        const cJSON *stored)
{
    static const struct field ttl = {.name = "ttl", .kind = FIELD_INTEGER};
    type_record(schema->fields, schema->field_count, document);
    if (schema->has_ttl)
        type_record(&ttl, 1, document);
    for (size_t i = 0; i < schema->field_count; i++) {
        if ((schema->fields[i].flags & FIELD_ABSTRACT) != 0)
            type_config(schemas, schema, document, stored);
        if (schema->fields[i].kind == FIELD_FOREIGN && schemas != NULL)
            type_reference(schemas, &schema->fields[i], document);
    }
}
