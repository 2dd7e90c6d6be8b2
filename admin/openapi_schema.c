/*
 * openapi_schema - see openapi_schema.h. One field becomes one schema; a record is the schemas of its fields.
 */

#include "admin/openapi_schema.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/model/patterns.h"
#include "gateway/model/schema.h"

enum {
    TEXT_SIZE = 2048 /* of one piece written by hand */
};

cJSON *openapi_json(const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list values;

    va_start(values, format);
    int length = vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    assert(length < TEXT_SIZE);
    for (char *at = strchr(text, '\''); at != NULL; at = strchr(at, '\''))
        *at = '"';
    cJSON *json = cJSON_Parse(text);
    assert(json != NULL);
    return json;
}

/* ---- one value ---- */

static cJSON *value_schema(const struct openapi_making *making, const struct field *field, bool can_be_null);

static cJSON *texts_of(const char *const *texts, bool are_numbers)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; texts[i] != NULL; i++)
        (void)cJSON_AddItemToArray(list, are_numbers ? cJSON_CreateNumber(strtod(texts[i], NULL))
                                                     : cJSON_CreateString(texts[i]));
    return list;
}

static void add_type(cJSON *json, const struct field *field, bool can_be_null)
{
    static const char *const types[] = {
        [FIELD_STRING] = "string",   [FIELD_INTEGER] = "integer", [FIELD_NUMBER] = "number",
        [FIELD_BOOLEAN] = "boolean", [FIELD_ARRAY] = "array",     [FIELD_SET] = "array",
        [FIELD_MAP] = "object",      [FIELD_RECORD] = "object",   [FIELD_FOREIGN] = "object",
    };

    if (!can_be_null) {
        (void)cJSON_AddStringToObject(json, "type", types[field->kind]);
        return;
    }
    cJSON *both = cJSON_AddArrayToObject(json, "type");
    (void)cJSON_AddItemToArray(both, cJSON_CreateString(types[field->kind]));
    (void)cJSON_AddItemToArray(both, cJSON_CreateString("null"));
}

static void add_values(cJSON *json, const struct field *field, bool can_be_null)
{
    bool are_numbers = field->kind == FIELD_INTEGER || field->kind == FIELD_NUMBER;

    if (field->one_of != NULL) {
        cJSON *values = texts_of(field->one_of, are_numbers);
        if (can_be_null)
            (void)cJSON_AddItemToArray(values, cJSON_CreateNull());
        (void)cJSON_AddItemToObject(json, "enum", values);
    }
    if (field->not_one_of != NULL) {
        cJSON *not = cJSON_AddObjectToObject(json, "not");
        (void)cJSON_AddItemToObject(not, "enum", texts_of(field->not_one_of, are_numbers));
    }
    if (field->eq_json != NULL) {
        cJSON *only = cJSON_AddArrayToObject(json, "enum");
        (void)cJSON_AddItemToArray(only, cJSON_Parse(field->eq_json));
        if (can_be_null)
            (void)cJSON_AddItemToArray(only, cJSON_CreateNull());
    }
    if (field->ne_json != NULL && field->not_one_of == NULL) {
        cJSON *not = cJSON_AddObjectToObject(json, "not");
        (void)cJSON_AddItemToObject(not, "const", cJSON_Parse(field->ne_json));
    }
}

static void add_range(cJSON *json, const struct field *field)
{
    if (field->has_between) {
        (void)cJSON_AddNumberToObject(json, "minimum", field->between_min);
        (void)cJSON_AddNumberToObject(json, "maximum", field->between_max);
    }
    if (field->has_gt)
        (void)cJSON_AddNumberToObject(json, "exclusiveMinimum", field->gt);
    else if ((field->flags & FIELD_TIMESTAMP) != 0)
        (void)cJSON_AddNumberToObject(json, "exclusiveMinimum", 0);
}

/* The server counts bytes, JSON Schema characters: n bytes may be a quarter as many. */
static void add_text_length(cJSON *json, const struct field *field)
{
    size_t least = field->len_eq > 0 ? field->len_eq : field->len_min;
    size_t most = field->len_eq > 0 ? field->len_eq : field->len_max;

    if (least > 0 || (field->flags & FIELD_EMPTY_OK) == 0)
        (void)cJSON_AddNumberToObject(json, "minLength", least > 0 ? (double)((least + 3) / 4) : 1);
    if (most > 0)
        (void)cJSON_AddNumberToObject(json, "maxLength", (double)most);
}

static void add_prefix(cJSON *json, const char *start)
{
    struct buf pattern = {0};

    buf_add_byte(&pattern, '^');
    for (const char *at = start; *at != '\0'; at++) {
        if (strchr("^$\\.*+?()[]{}|/", *at) != NULL)
            buf_add_byte(&pattern, '\\');
        buf_add_byte(&pattern, *at);
    }
    (void)cJSON_AddStringToObject(json, "pattern", pattern.at);
    buf_fini(&pattern);
}

static void add_text_rules(cJSON *json, const struct field *field)
{
    const char *pattern = pattern_of_check(field->check);

    add_text_length(json, field);
    if ((field->flags & FIELD_UUID) != 0)
        (void)cJSON_AddStringToObject(json, "format", "uuid");
    else if ((field->flags & FIELD_IS_REGEX) != 0)
        (void)cJSON_AddStringToObject(json, "format", "regex");
    if (pattern != NULL)
        (void)cJSON_AddStringToObject(json, "pattern", pattern);
    else if (field->starts_with != NULL)
        add_prefix(json, field->starts_with);
}

static void add_list_rules(cJSON *json, const struct openapi_making *making, const struct field *field)
{
    size_t least = field->len_eq > 0 ? field->len_eq : field->len_min;
    size_t most = field->len_eq > 0 ? field->len_eq : field->len_max;

    (void)cJSON_AddItemToObject(json, "items",
                                value_schema(making, field->elements, /* can_be_null= */ false));
    if (least > 0)
        (void)cJSON_AddNumberToObject(json, "minItems", (double)least);
    if (most > 0)
        (void)cJSON_AddNumberToObject(json, "maxItems", (double)most);
    if (field->kind == FIELD_SET && making->side == OPENAPI_SHOWN) /* what is sent twice is stored once */
        (void)cJSON_AddTrueToObject(json, "uniqueItems");
    if (field->contains != NULL) {
        cJSON *contains = cJSON_AddObjectToObject(json, "contains");
        (void)cJSON_AddStringToObject(contains, "const", field->contains);
    }
}

static void add_map_rules(cJSON *json, const struct openapi_making *making, const struct field *field)
{
    if (field->keys != NULL) {
        cJSON *names = value_schema(making, field->keys, /* can_be_null= */ false);
        cJSON_DeleteItemFromObjectCaseSensitive(names, "type"); /* of JSON, always a string */
        (void)cJSON_AddItemToObject(json, "propertyNames", names);
    }
    if (field->values != NULL)
        (void)cJSON_AddItemToObject(json, "additionalProperties",
                                    value_schema(making, field->values, /* can_be_null= */ false));
}

/* Bodies may also name what is referred to by a unique field; answers have the id. */
static void add_reference(cJSON *json, const struct openapi_making *making, const struct field *field)
{
    const struct schema *other = schemas_find(making->schemas, str_of(field->reference));
    cJSON *properties = cJSON_AddObjectToObject(json, "properties");

    (void)cJSON_AddItemToObject(properties, "id", openapi_json("{'type':'string','format':'uuid'}"));
    if (making->side == OPENAPI_SHOWN) {
        (void)cJSON_AddItemToObject(json, "required", openapi_json("['id']"));
        (void)cJSON_AddFalseToObject(json, "additionalProperties");
        return;
    }
    (void)cJSON_AddNumberToObject(json, "minProperties", 1);
    for (size_t i = 0; other != NULL && i < other->field_count; i++)
        if ((other->fields[i].flags & FIELD_UNIQUE) != 0 && other->fields[i].kind == FIELD_STRING)
            (void)cJSON_AddItemToObject(properties, other->fields[i].name, openapi_json("{'type':'string'}"));
}

/* ---- records ---- */

bool openapi_is_needed(const struct field *field, enum openapi_side side)
{
    if (side != OPENAPI_SENT)
        return side == OPENAPI_SHOWN;
    return (field->flags & (FIELD_REQUIRED | FIELD_AUTO)) == FIELD_REQUIRED && field->fallback == NULL &&
           field->kind != FIELD_RECORD; /* a record left out is made of its defaults */
}

static void add_needed(cJSON *json, const struct field *fields, size_t count, enum openapi_side side)
{
    cJSON *needed = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++)
        if (openapi_is_needed(&fields[i], side))
            (void)cJSON_AddItemToArray(needed, cJSON_CreateString(fields[i].name));
    if (cJSON_GetArraySize(needed) > 0)
        (void)cJSON_AddItemToObject(json, "required", needed);
    else
        cJSON_Delete(needed);
}

cJSON *openapi_add_fields(cJSON *json, const struct openapi_making *making, const struct field *fields,
                          size_t count)
{
    cJSON *properties = cJSON_AddObjectToObject(json, "properties");

    for (size_t i = 0; i < count; i++)
        (void)cJSON_AddItemToObject(properties, fields[i].name, openapi_field_schema(making, &fields[i]));
    add_needed(json, fields, count, making->side);
    return properties;
}

static void add_record(cJSON *json, const struct openapi_making *making, const struct field *record)
{
    if ((record->flags & FIELD_ABSTRACT) != 0) /* the entity says which record it is, by its name */
        return;
    cJSON *properties = openapi_add_fields(json, making, record->fields, record->field_count);
    if (making->side != OPENAPI_SHOWN)
        for (const struct field_alias *alias = record->aliases; alias != NULL && alias->old != NULL; alias++)
            (void)cJSON_AddItemToObject(properties, alias->old, openapi_json("{'deprecated':true}"));
    (void)cJSON_AddFalseToObject(json, "additionalProperties");
}

static void add_kind_rules(cJSON *json, const struct openapi_making *making, const struct field *field)
{
    switch (field->kind) {
    case FIELD_STRING:
        add_text_rules(json, field);
        break;
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        add_range(json, field);
        break;
    case FIELD_ARRAY:
    case FIELD_SET:
        add_list_rules(json, making, field);
        break;
    case FIELD_MAP:
        add_map_rules(json, making, field);
        break;
    case FIELD_RECORD:
        add_record(json, making, field);
        break;
    case FIELD_FOREIGN:
        add_reference(json, making, field);
        break;
    case FIELD_BOOLEAN:
        break;
    }
}

static cJSON *value_schema(const struct openapi_making *making, const struct field *field, bool can_be_null)
{
    bool is_any_text = field->kind == FIELD_STRING && (field->flags & FIELD_REFERENCEABLE) != 0;
    cJSON *json = cJSON_CreateObject();

    if ((field->flags & FIELD_EQ_NULL) != 0) {
        (void)cJSON_AddStringToObject(json, "type", "null");
        return json;
    }
    if ((field->flags & FIELD_READ_ONLY) != 0) {
        (void)cJSON_AddTrueToObject(json, "readOnly");
        if (making->side != OPENAPI_SHOWN) /* whatever is sent is ignored */
            return json;
    }
    add_type(json, field, can_be_null);
    if (field->description != NULL)
        (void)cJSON_AddStringToObject(json, "description", field->description);
    if (field->fallback != NULL)
        (void)cJSON_AddItemToObject(json, "default", cJSON_Parse(field->fallback));
    if (!is_any_text) { /* a reference to a secret may stand there instead */
        add_values(json, field, can_be_null);
        add_kind_rules(json, making, field);
    }
    return json;
}

/* Ids and instants are always there; a key that the server makes can be taken away later. */
static bool can_be_null(const struct field *field)
{
    bool is_fixed = (field->flags & FIELD_AUTO) != 0 && (field->flags & (FIELD_UUID | FIELD_TIMESTAMP)) != 0;

    return !is_fixed && (field->flags & FIELD_REQUIRED) == 0;
}

cJSON *openapi_field_schema(const struct openapi_making *making, const struct field *field)
{
    return value_schema(making, field, can_be_null(field));
}
