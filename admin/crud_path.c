/*
 * crud_path - which entity a path means, and every form such a path can have.
 *
 * All of it follows from the schemas: a foreign field makes a collection under its parent and a way back to
 * it.
 */

#include "admin/crud.h"

#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/uuid.h"
#include "gateway/model/schema.h"

static const char *nested_path(const struct schema *schema)
{
    return schema->nested_path != NULL ? schema->nested_path : schema->path;
}

/* The field of `child` that refers to `parent`; NULL: there is none. */
static const struct field *foreign_field(const struct schema *child, const struct schema *parent)
{
    for (size_t i = 0; i < child->field_count; i++)
        if (child->fields[i].kind == FIELD_FOREIGN && strcmp(child->fields[i].reference, parent->name) == 0)
            return &child->fields[i];
    return NULL;
}

static struct crud_key key_of(const struct schema *schema, struct str segment)
{
    struct uuid id;

    if (!uuid_from_str(segment, &id) && schema->named_by != NULL)
        return (struct crud_key){schema->named_by->endpoint_key, segment, schema->named_by};
    if (uuid_from_str(segment, &id) || schema->endpoint_key == NULL)
        return (struct crud_key){"id", segment, NULL};
    return (struct crud_key){schema->endpoint_key, segment, NULL};
}

static struct crud_key nested_key_of(const struct schema *schema, struct str segment)
{
    struct crud_key key = key_of(schema, segment);
    struct uuid id;

    if (schema->nested_key != NULL && !uuid_from_str(segment, &id))
        key.field = schema->nested_key;
    return key;
}

static bool find_children(const struct schemas *schemas, const struct path *path, struct crud_target *target)
{
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *child = schemas_at(schemas, i);
        const struct field *field = foreign_field(child, target->other);
        if (field == NULL || schemas_is_hidden(schemas, child) ||
            !str_equal(path->segments[2], str_of(nested_path(child))))
            continue;
        target->schema = child;
        target->foreign_name = field->name;
        target->kind = CRUD_NESTED_COLLECTION;
        target->is_by_id =
            path->count == 4 && child->is_newest_first && str_equal(path->segments[3], STR("all"));
        if (path->count == 4 && !target->is_by_id) {
            target->kind = CRUD_NESTED_ENTITY;
            target->key = nested_key_of(child, path->segments[3]);
        }
        return true;
    }
    return false;
}

static bool find_parent(const struct schemas *schemas, const struct path *path, struct crud_target *target)
{
    for (size_t i = 0; i < target->other->field_count; i++) {
        const struct field *field = &target->other->fields[i];
        if (field->kind != FIELD_FOREIGN || (field->flags & FIELD_ONE_WAY) != 0 ||
            !str_equal(path->segments[2], str_of(field->name)))
            continue;
        target->schema = schemas_find(schemas, str_of(field->reference));
        target->foreign_name = field->name;
        target->kind = CRUD_PARENT;
        return target->schema != NULL;
    }
    return false;
}

bool crud_find(const struct schemas *schemas, const struct path *path, struct crud_target *target)
{
    *target = (struct crud_target){0};
    if (path->count == 0 || path->count > 4)
        return false;
    const struct schema *first = schemas_find_path(schemas, path->segments[0]);
    if (first == NULL || first->is_nested_only)
        return false;
    if (path->count <= 2) {
        target->schema = first;
        target->kind = path->count == 1 ? CRUD_COLLECTION : CRUD_ENTITY;
        if (path->count == 2)
            target->key = key_of(first, path->segments[1]);
        return true;
    }
    target->other = first;
    target->other_key = key_of(first, path->segments[1]);
    target->other_raw = path->raw[1];
    return find_children(schemas, path, target) || (path->count == 3 && find_parent(schemas, path, target));
}

bool crud_offers(enum crud_kind kind, bool is_by_id, enum method method)
{
    bool is_list = kind == CRUD_COLLECTION || kind == CRUD_NESTED_COLLECTION;

    if (method == METHOD_GET)
        return true;
    return method == METHOD_POST ? is_list && !is_by_id : !is_list && method <= METHOD_DELETE;
}

/* Who is told of the templates, and the one being made. */
struct listing {
    const struct schemas *schemas;
    struct buf text;
    void (*add)(void *arg, const struct crud_template *template);
    void *arg;
};

static void add(struct listing *listing, struct crud_template template)
{
    template.text = listing->text.at;
    listing->add(listing->arg, &template);
}

static void add_nested(struct listing *listing, const struct schema *schema, const struct field *field,
                       const struct schema *parent)
{
    struct buf *text = &listing->text;
    bool is_closed = schema->is_nested_only || (field->flags & FIELD_ONE_WAY) != 0;

    buf_clear(text);
    buf_printf(text, "/%s/{%s}/%s", parent->path, parent->parameter, nested_path(schema));
    add(listing, (struct crud_template){.kind = CRUD_NESTED_COLLECTION, .schema = schema, .other = parent});
    buf_printf(text, "/{%s}", schema->parameter);
    add(listing, (struct crud_template){.kind = CRUD_NESTED_ENTITY, .schema = schema, .other = parent});
    buf_clear(text);
    if (schema->is_newest_first) {
        buf_printf(text, "/%s/{%s}/%s/all", parent->path, parent->parameter, nested_path(schema));
        add(listing,
            (struct crud_template){
                .kind = CRUD_NESTED_COLLECTION, .schema = schema, .other = parent, .is_by_id = true});
        buf_clear(text);
    }
    buf_printf(text, "/%s/{%s}/%s", schema->path, schema->parameter, field->name);
    add(listing, (struct crud_template){
                     .kind = CRUD_PARENT, .schema = parent, .other = schema, .is_closed = is_closed});
}

static void add_all(struct listing *listing, const struct schema *schema)
{
    bool is_closed = schema->is_nested_only;

    buf_clear(&listing->text);
    buf_printf(&listing->text, "/%s", schema->path);
    add(listing, (struct crud_template){.kind = CRUD_COLLECTION, .schema = schema, .is_closed = is_closed});
    buf_printf(&listing->text, "/{%s}", schema->parameter);
    add(listing, (struct crud_template){.kind = CRUD_ENTITY, .schema = schema, .is_closed = is_closed});
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const struct schema *parent =
            field->kind == FIELD_FOREIGN ? schemas_find(listing->schemas, str_of(field->reference)) : NULL;
        if (parent != NULL)
            add_nested(listing, schema, field, parent);
    }
}

void crud_templates(const struct schemas *schemas,
                    void (*told)(void *arg, const struct crud_template *template), void *arg)
{
    struct listing listing = {.schemas = schemas, .add = told, .arg = arg};

    for (size_t i = 0; i < schemas_count(schemas); i++)
        if (!schemas_is_hidden(schemas, schemas_at(schemas, i)))
            add_all(&listing, schemas_at(schemas, i));
    buf_fini(&listing.text);
}
