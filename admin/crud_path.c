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

/* Who is told of the templates, and the one being made. */
struct listing {
    struct buf text;
    void (*add)(void *arg, const char *template);
    void *arg;
};

static void add_nested(struct listing *listing, const struct schema *schema, const struct field *field,
                       const struct schema *parent)
{
    struct buf *text = &listing->text;

    buf_clear(text);
    buf_printf(text, "/%s/{%s}/%s", parent->path, parent->parameter, nested_path(schema));
    listing->add(listing->arg, text->at);
    buf_printf(text, "/{%s}", schema->parameter);
    listing->add(listing->arg, text->at);
    buf_clear(text);
    if (schema->is_newest_first) {
        buf_printf(text, "/%s/{%s}/%s/all", parent->path, parent->parameter, nested_path(schema));
        listing->add(listing->arg, text->at);
        buf_clear(text);
    }
    buf_printf(text, "/%s/{%s}/%s", schema->path, schema->parameter, field->name);
    listing->add(listing->arg, text->at);
}

void crud_templates(const struct schemas *schemas, void (*add)(void *arg, const char *template), void *arg)
{
    struct listing listing = {.add = add, .arg = arg};
    struct buf *text = &listing.text;

    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        if (schemas_is_hidden(schemas, schema))
            continue;
        buf_clear(text);
        buf_printf(text, "/%s", schema->path);
        add(arg, text->at);
        buf_printf(text, "/{%s}", schema->parameter);
        add(arg, text->at);
        for (size_t k = 0; k < schema->field_count; k++) {
            const struct field *field = &schema->fields[k];
            const struct schema *parent =
                field->kind == FIELD_FOREIGN ? schemas_find(schemas, str_of(field->reference)) : NULL;
            if (parent != NULL)
                add_nested(&listing, schema, field, parent);
        }
    }
    buf_fini(text);
}
