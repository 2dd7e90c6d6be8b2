/*
 * declaration - from the text to a flat list: format, collections, children that stand inside their parents.
 */

#include "gateway/cli/declaration.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/cli/declaration_names.h"
#include "gateway/cli/yaml.h"
#include "gateway/model/document.h"

void declaration_problem(struct declaration *declaration, const struct declared *where, const char *format,
                         ...)
{
    char text[1024];
    va_list values;

    if (declaration->problem_count++ >= DECLARATION_PROBLEMS_MAX)
        return;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (where != NULL && where->line > 0)
        buf_printf(&declaration->problems, "%s (line %d): ", where->place, where->line);
    else if (where != NULL)
        buf_printf(&declaration->problems, "%s: ", where->place);
    buf_printf(&declaration->problems, "%s\n", text);
}

/* ---- schemas ---- */

static bool is_ready(const struct schema *schema, const struct schema *const *order, size_t count)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        bool found = field->kind != FIELD_FOREIGN || strcmp(field->reference, schema->name) == 0;
        for (size_t k = 0; k < count && !found; k++)
            found = strcmp(order[k]->name, field->reference) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool is_in(const struct schema *schema, const struct schema *const *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (order[i] == schema)
            return true;
    return false;
}

size_t declaration_order(const struct schemas *schemas, const struct schema *order[SCHEMA_MAX_COUNT])
{
    size_t count = 0;
    size_t before;

    do {
        before = count;
        for (size_t i = 0; i < schemas_count(schemas); i++) {
            const struct schema *schema = schemas_at(schemas, i);
            if (!schemas_is_hidden(schemas, schema) && !is_in(schema, order, count) &&
                is_ready(schema, order, count))
                order[count++] = schema;
        }
    } while (count > before);
    return count;
}

static const struct schema *find_schema(const struct declaration *declaration, const char *name)
{
    for (size_t i = 0; i < declaration->order_count; i++)
        if (strcmp(declaration->order[i]->name, name) == 0)
            return declaration->order[i];
    return NULL;
}

/* The field by which an entity of `child` belongs to one of `parent`. */
static const struct field *parent_field(const struct schema *child, const struct schema *parent)
{
    for (size_t i = 0; i < child->field_count; i++)
        if (child->fields[i].kind == FIELD_FOREIGN && strcmp(child->fields[i].reference, parent->name) == 0)
            return &child->fields[i];
    return NULL;
}

/* ---- entities ---- */

static bool is_plain_path(const char *path)
{
    for (; *path != '\0'; path++)
        if (isalnum((unsigned char)*path) == 0 && strchr("._-~/%", *path) == NULL)
            return false;
    return true;
}

static void mark_patterns(cJSON *route)
{
    cJSON *paths = cJSON_GetObjectItemCaseSensitive(route, "paths");

    for (int i = 0; i < cJSON_GetArraySize(paths); i++) {
        const cJSON *path = cJSON_GetArrayItem(paths, i);
        if (!cJSON_IsString(path) || path->valuestring[0] != '/' || is_plain_path(path->valuestring))
            continue;
        char *marked = mem_printf("~%s", path->valuestring);
        (void)cJSON_ReplaceItemInArray(paths, i, cJSON_CreateString(marked));
        free(marked);
    }
}

static int add_entity(struct declaration *declaration, const struct declared *entity)
{
    if (declaration->count == declaration->capacity) {
        declaration->capacity = declaration->capacity > 0 ? declaration->capacity * 2 : 64;
        declaration->at = mem_realloc(declaration->at, declaration->capacity * sizeof(*declaration->at));
    }
    declaration->at[declaration->count] = *entity;
    return (int)declaration->count++;
}

/* A list of entities of `schema`, which is consumed; `above` is the place of the list's owner or "". */
static void take_list(struct declaration *declaration, const struct schema *schema, cJSON *list,
                      const char *above, int parent);

/* Children leave their parent; remarks are nobody's. */
static void take_children(struct declaration *declaration, int index)
{
    const struct schema *schema = declaration->at[index].schema;
    cJSON *next = NULL;

    for (cJSON *member = declaration->at[index].document->child; member != NULL; member = next) {
        next = member->next;
        cJSON *document = declaration->at[index].document;
        const struct schema *child = find_schema(declaration, member->string);
        if (strcmp(member->string, "_comment") == 0 || strcmp(member->string, "_ignore") == 0) {
            cJSON_Delete(cJSON_DetachItemViaPointer(document, member));
        } else if (child != NULL && schema_field(schema, member->string) == NULL &&
                   parent_field(child, schema) != NULL) {
            char *place = mem_strdup(declaration->at[index].place);
            take_list(declaration, child, cJSON_DetachItemViaPointer(document, member), place, index);
            free(place);
        }
    }
}

static void take_entity(struct declaration *declaration, const struct declared *entity)
{
    if (!cJSON_IsObject(entity->document)) {
        declaration_problem(declaration, entity, "expected an entity");
        cJSON_Delete(entity->document);
        free(entity->place);
        return;
    }
    if (declaration->has_patterns_unmarked && strcmp(entity->schema->name, "routes") == 0)
        mark_patterns(entity->document);
    if (entity->parent_field != NULL &&
        cJSON_GetObjectItemCaseSensitive(entity->document, entity->parent_field->name) != NULL)
        declaration_problem(declaration, entity, "%s: said by the place already", entity->parent_field->name);
    take_children(declaration, add_entity(declaration, entity));
}

static void take_list(struct declaration *declaration, const struct schema *schema, cJSON *list,
                      const char *above, int parent)
{
    const char *dot = above[0] != '\0' ? "." : "";

    if (!cJSON_IsArray(list) && !cJSON_IsNull(list))
        declaration_problem(declaration, NULL, "%s%s%s: expected a list", above, dot, schema->name);
    for (int i = 1; cJSON_IsArray(list) && list->child != NULL; i++) {
        cJSON *document = cJSON_DetachItemViaPointer(list, list->child);
        const struct declared entity = {
            .schema = schema,
            .document = document,
            .place = mem_printf("%s%s%s.%d", above, dot, schema->name, i),
            .line = cJSON_IsObject(document) ? document->valueint : 0,
            .parent = parent,
            .parent_field =
                parent != NO_PARENT ? parent_field(schema, declaration->at[parent].schema) : NULL};
        take_entity(declaration, &entity);
    }
    cJSON_Delete(list);
}

/* ---- the file ---- */

static void take_version(struct declaration *declaration, const cJSON *version)
{
    static const struct {
        const char *text;
        double number; /* without quotes */
        bool has_patterns_unmarked;
    } versions[] = {{"1.1", 1.1, true}, {"2.1", 2.1, true}, {"3.0", 3.0, false}};

    for (size_t i = 0; i < COUNT(versions); i++) {
        if ((cJSON_IsString(version) && strcmp(version->valuestring, versions[i].text) == 0) ||
            (cJSON_IsNumber(version) && version->valuedouble == versions[i].number)) {
            declaration->has_patterns_unmarked = versions[i].has_patterns_unmarked;
            return;
        }
    }
    declaration_problem(declaration, NULL,
                        version == NULL ? "_format_version: required field missing"
                                        : "_format_version: expected one of: 1.1, 2.1, 3.0");
}

static void take_settings(struct declaration *declaration, const cJSON *root)
{
    const cJSON *transform = cJSON_GetObjectItemCaseSensitive(root, "_transform");

    take_version(declaration, cJSON_GetObjectItemCaseSensitive(root, "_format_version"));
    if (transform != NULL && !cJSON_IsBool(transform))
        declaration_problem(declaration, NULL, "_transform: expected a boolean");
    declaration->keeps_texts = cJSON_IsFalse(transform);
}

static void take_collections(struct declaration *declaration, cJSON *root)
{
    static const char *const others[] = {"_format_version", "_transform", "_comment", "_ignore"};

    while (root->child != NULL) {
        cJSON *member = cJSON_DetachItemViaPointer(root, root->child);
        const struct schema *schema = find_schema(declaration, member->string);
        bool is_other = false;
        for (size_t i = 0; i < COUNT(others); i++)
            is_other = is_other || strcmp(member->string, others[i]) == 0;
        if (schema != NULL) {
            take_list(declaration, schema, member, "", NO_PARENT);
            continue;
        }
        if (!is_other)
            declaration_problem(declaration, NULL, "%s: unknown field", member->string);
        cJSON_Delete(member);
    }
}

static bool starts_an_object(struct str text)
{
    size_t at = 0;

    while (at < text.len && strchr(" \t\r\n", text.at[at]) != NULL && text.at[at] != '\0')
        at++;
    return at < text.len && text.at[at] == '{';
}

/* JSON's own reader knows pairs of escapes that YAML refuses; what only looks like JSON is YAML. */
static cJSON *read_json(struct str text)
{
    const char *end = NULL;
    cJSON *root = NULL;

    if (starts_an_object(text) && memchr(text.at, '\0', text.len) == NULL) {
        char *copy = mem_strndup(text.at, text.len);
        root = cJSON_ParseWithOpts(copy, &end, true);
        free(copy);
    }
    return root;
}

bool declaration_read(struct str text, const struct schemas *schemas, struct declaration **declaration,
                      struct err *err)
{
    cJSON *root = read_json(text);

    if (root == NULL && !yaml_read(text, &root, err))
        return false;
    struct declaration *made = mem_zalloc(sizeof(*made));
    made->schemas = schemas;
    made->order_count = declaration_order(schemas, made->order);
    made->stored = cJSON_CreateArray();
    if (cJSON_IsObject(root)) {
        take_settings(made, root);
        take_collections(made, root);
    } else {
        declaration_problem(made, NULL, "expected an object with _format_version and collections");
    }
    cJSON_Delete(root);
    *declaration = made;
    return true;
}

void declaration_free(struct declaration *declaration)
{
    if (declaration == NULL)
        return;
    for (size_t i = 0; i < declaration->count; i++) {
        cJSON_Delete(declaration->at[i].document);
        free(declaration->at[i].place);
    }
    free(declaration->at);
    declaration_names_free(declaration);
    cJSON_Delete(declaration->stored);
    buf_fini(&declaration->problems);
    free(declaration);
}

cJSON *declaration_show(const struct schema *schema, const cJSON *document)
{
    cJSON *shown = cJSON_CreateObject();

    for (const cJSON *member = document->child; member != NULL; member = member->next) {
        const struct field *field = schema_field(schema, member->string);
        bool is_needed = field != NULL && field->fallback != NULL;
        if (cJSON_IsNull(member) && !is_needed)
            continue;
        if (field != NULL && field->kind == FIELD_FOREIGN && cJSON_IsObject(member))
            (void)cJSON_AddStringToObject(shown, member->string, document_text(member, "id"));
        else
            (void)cJSON_AddItemToObject(shown, member->string, cJSON_Duplicate(member, true));
    }
    return shown;
}
