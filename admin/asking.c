/*
 * asking - see asking.h.
 */

#include "admin/asking.h"

#include <string.h>

#include "gateway/model/document.h"

cJSON *asking_reference(const char *id)
{
    cJSON *reference = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(reference, "id", id);
    return reference;
}

void asking_set(cJSON *document, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(document, name);
    (void)cJSON_AddItemToObject(document, name, value);
}

static bool find(struct asking *asking, const struct schema *schema, const struct crud_key *key,
                 enum store_lock lock, cJSON **document)
{
    struct store_error *error = asking->error;
    cJSON *child = NULL;
    struct uuid id = {{0}};
    char text[UUID_TEXT_SIZE];

    if (key->through == NULL)
        return store_find(asking->session, schema, key->field, key->text, lock, document, error);
    *document = NULL;
    if (!store_find(asking->session, key->through, key->field, key->text, STORE_READ, &child, error))
        return false;
    for (size_t i = 0; i < key->through->field_count && child != NULL; i++) {
        const struct field *field = &key->through->fields[i];
        if (field->kind == FIELD_FOREIGN && strcmp(field->reference, schema->name) == 0)
            (void)document_reference(child, field->name, &id);
    }
    cJSON_Delete(child);
    return uuid_is_nil(&id) ||
           store_find(asking->session, schema, "id", str_of(uuid_format(&id, text)), lock, document, error);
}

void asking_answer_missing(struct asking *asking, const struct schema *schema, const struct crud_key *key)
{
    if (key->through != NULL && schema->not_named != NULL)
        answer_message(asking->answer, 404, "%s", schema->not_named);
    else
        answer_not_found(asking->answer);
}

bool asking_load_other(struct asking *asking, const struct crud_target *target, enum store_lock lock,
                       cJSON **other)
{
    *other = NULL;
    return find(asking, target->other, &target->other_key, lock, other);
}

/* What `child` refers to by the target's foreign field. */
static bool load_referenced(struct asking *asking, const struct crud_target *target, const cJSON *child,
                            enum store_lock lock, cJSON **document)
{
    char text[UUID_TEXT_SIZE];
    struct uuid id;

    if (!document_reference(child, target->foreign_name, &id))
        return true;
    return store_find(asking->session, target->schema, "id", str_of(uuid_format(&id, text)), lock, document,
                      asking->error);
}

static bool belongs_to(const cJSON *child, const char *foreign_name, const cJSON *parent)
{
    struct uuid refers_to;
    struct uuid id;

    return document_reference(child, foreign_name, &refers_to) && document_id(parent, &id) &&
           uuid_equal(&refers_to, &id);
}

/* By a key that only says something together with the parent. */
static bool is_nested_key(const struct crud_target *target)
{
    const char *key = target->schema->nested_key;

    return key != NULL && target->key.field != NULL && strcmp(target->key.field, key) == 0;
}

bool asking_find_child(struct asking *asking, const struct crud_target *target, const cJSON *parent,
                       enum store_lock lock, cJSON **document)
{
    struct store_child child = {.schema = target->schema,
                                .field = target->key.field,
                                .value = target->key.text,
                                .parent_field = target->foreign_name};

    *document = NULL;
    if (!is_nested_key(target))
        return find(asking, target->schema, &target->key, lock, document);
    return !document_id(parent, &child.parent) ||
           store_find_child(asking->session, &child, lock, document, asking->error);
}

bool asking_load(struct asking *asking, const struct crud_target *target, enum store_lock lock,
                 cJSON **document, cJSON **other)
{
    cJSON *through = NULL;
    bool ok = true;

    *document = NULL;
    if (target->other != NULL)
        ok = asking_load_other(asking, target, STORE_READ, &through);
    if (ok && target->kind == CRUD_PARENT && through != NULL)
        ok = load_referenced(asking, target, through, lock, document);
    if (ok && target->kind == CRUD_ENTITY)
        ok = find(asking, target->schema, &target->key, lock, document);
    if (ok && target->kind == CRUD_NESTED_ENTITY && through != NULL) {
        ok = asking_find_child(asking, target, through, lock, document);
        if (*document != NULL && !belongs_to(*document, target->foreign_name, through)) {
            cJSON_Delete(*document);
            *document = NULL;
        }
    }
    if (ok && other != NULL)
        *other = through;
    else
        cJSON_Delete(through);
    return ok;
}
