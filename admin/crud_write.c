/*
 * crud_write - POST, PUT, PATCH and DELETE, each a body for one transaction, which Postgres may make us run
 * again from the start: it keeps nothing from one run to the next. What happens to a document on its way is
 * write.c's.
 */

#include "admin/crud_write.h"

#include <stdlib.h>
#include <string.h>

#include "admin/audit.h"
#include "admin/references.h"
#include "admin/request.h"
#include "admin/state.h"
#include "admin/write.h"
#include "gateway/base/mem.h"

enum {
    PUT_TRIES = 3
};

static bool refuse_not_found(struct write *write)
{
    answer_not_found(write->asking.answer);
    return false;
}

/* What the path goes through is not there. */
static bool refuse_lost(struct write *write)
{
    asking_answer_missing(&write->asking, write->target->other, &write->target->other_key);
    return false;
}

/* ---- POST ---- */

static bool create(struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = write_restart(arg, error);
    cJSON *parent = NULL;

    (void)session;
    if (write->target->kind == CRUD_NESTED_COLLECTION) {
        if (!asking_load_other(&write->asking, write->target, STORE_READ, &parent))
            return false;
        if (parent == NULL)
            return refuse_lost(write);
    }
    cJSON *document = write_copy_body(write, NULL);
    if (parent != NULL)
        asking_set(document, write->target->foreign_name, asking_reference(document_text(parent, "id")));
    cJSON_Delete(parent);
    if (!write_take_names(write, document, NULL)) {
        cJSON_Delete(document);
        return false;
    }
    return write_resolve_and_save(write, DOCUMENT_CREATE, NULL, document) &&
           write_finish(write, write->names.is_given);
}

/* ---- PUT ---- */

/* The URL wins over the body. */
static void set_identity(const struct write *write, const cJSON *old, const cJSON *parent, cJSON *document)
{
    const struct crud_key *key = &write->target->key;
    char id[UUID_TEXT_SIZE];
    struct uuid uuid;

    if (key->field != NULL && strcmp(key->field, "id") != 0 && key->through == NULL) {
        char *text = mem_strndup(key->text.at, key->text.len);
        asking_set(document, key->field, cJSON_CreateString(text));
        free(text);
    } else if (key->field != NULL && uuid_from_str(key->text, &uuid)) {
        asking_set(document, "id", cJSON_CreateString(uuid_format(&uuid, id)));
    }
    if (old != NULL)
        asking_set(document, "id", cJSON_CreateString(document_text(old, "id")));
    if (parent != NULL)
        asking_set(document, write->target->foreign_name, asking_reference(document_text(parent, "id")));
}

/* The child refers to what has just been made, if its own rules allow that. */
static bool link_child(struct write *write, const cJSON *child)
{
    const struct schema *schema = write->target->other;
    cJSON *changed = cJSON_Duplicate(child, true);

    asking_set(changed, write->target->foreign_name, asking_reference(document_text(write->result, "id")));
    bool ok = write_complete(write, schema, DOCUMENT_UPDATE, changed) &&
              store_update(write->asking.session, schema, child, changed, write->asking.error);
    cJSON_Delete(changed);
    return ok;
}

/* What a PUT replaces: also a child of another parent, which it takes over. */
static bool load_replaced(struct write *write, cJSON **old, cJSON **other)
{
    const struct crud_target *target = write->target;
    struct asking *asking = &write->asking;

    *old = NULL;
    *other = NULL;
    if (target->kind == CRUD_PARENT) {
        /* The child is locked as well: it may have to be changed. */
        if (!asking_load_other(asking, target, STORE_FOR_UPDATE, other))
            return false;
        return asking_load(asking, target, STORE_FOR_UPDATE, old, NULL);
    }
    if (target->kind == CRUD_NESTED_ENTITY)
        return asking_load_other(asking, target, STORE_READ, other) &&
               asking_find_child(asking, target, *other, STORE_FOR_UPDATE, old);
    return asking_load(asking, target, STORE_FOR_UPDATE, old, NULL);
}

/* By the whole body. `parent`: of a nested path, or NULL. */
static bool replace(struct write *write, const cJSON *old, const cJSON *parent)
{
    const struct crud_key *key = &write->target->key;
    cJSON *document = write_copy_body(write, NULL);

    set_identity(write, old, parent, document);
    write->was_insert = old == NULL;
    if (!write_take_names(write, document, old)) {
        cJSON_Delete(document);
        return false;
    }
    if (old == NULL && key->through != NULL)
        names_add(&write->names, key->text);
    return write_resolve_and_save(write, DOCUMENT_REPLACE, old, document) &&
           write_finish(write, /* replaces= */ true);
}

static bool put(struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = write_restart(arg, error);
    const struct crud_target *target = write->target;
    bool is_nested = target->kind == CRUD_NESTED_ENTITY;
    cJSON *old = NULL;
    cJSON *other = NULL;
    bool ok = load_replaced(write, &old, &other);

    (void)session;
    if (ok && target->other != NULL && other == NULL)
        ok = refuse_lost(write);
    if (ok)
        ok = write_may(write, old) && replace(write, old, is_nested ? other : NULL);
    if (ok && target->kind == CRUD_PARENT && old == NULL)
        ok = link_child(write, other);
    cJSON_Delete(old);
    cJSON_Delete(other);
    return ok;
}

/* Somebody else made the same entity between our look and our insert: now there is one to replace. */
static bool can_try_again(const struct write *write, const struct store_error *error)
{
    const char *field = write->target->key.field;

    return write->was_insert && field != NULL &&
           (error->failure == STORE_PRIMARY_KEY || error->failure == STORE_UNIQUE) &&
           cJSON_GetObjectItemCaseSensitive(error->key, field) != NULL;
}

/* ---- PATCH ---- */

static bool is_plugin_setting(const struct schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if ((schema->fields[i].flags & FIELD_ABSTRACT) != 0 && schema->variants == NULL)
            return true;
    return false;
}

/* Entities whose shape depends on what is stored are looked for before all else: hence two ways to say it. */
static bool refuse_missing(struct write *write)
{
    const struct crud_target *target = write->target;
    struct uuid uuid;
    char id[UUID_TEXT_SIZE];

    if (target->key.through != NULL) {
        asking_answer_missing(&write->asking, target->schema, &target->key);
        return false;
    }
    if (target->kind != CRUD_ENTITY || is_plugin_setting(target->schema))
        return refuse_not_found(write);
    cJSON *key = cJSON_CreateObject();
    char *text = mem_strndup(target->key.text.at, target->key.text.len);
    bool by_id = strcmp(target->key.field, "id") == 0 && uuid_from_str(target->key.text, &uuid);
    (void)cJSON_AddStringToObject(key, target->key.field, by_id ? uuid_format(&uuid, id) : text);
    free(text);
    answer_missing(write->asking.answer, key);
    return false;
}

/* A well-formed id in the body is ignored; another one is left for validation to refuse. */
static void drop_good_id(cJSON *change)
{
    struct uuid id;

    if (uuid_from_str(str_of(document_text(change, "id")), &id))
        cJSON_DeleteItemFromObjectCaseSensitive(change, "id");
}

/* Takes `change`. */
static bool merge_and_save(struct write *write, const cJSON *old, cJSON *change)
{
    const struct schema *schema = write->target->schema;
    cJSON *ttl = NULL;

    drop_good_id(change);
    if (!write_take_names(write, change, old) || !write_take_ttl(write, change, &ttl) ||
        !references_resolve(&write->asking, schema, change)) {
        cJSON_Delete(ttl);
        cJSON_Delete(change);
        return false;
    }
    cJSON *merged = cJSON_Duplicate(old, true);
    if (schema->has_ttl)
        cJSON_DeleteItemFromObjectCaseSensitive(merged, "expires_at");
    cJSON *stored_ttl = schema->has_ttl ? cJSON_DetachItemFromObjectCaseSensitive(merged, "ttl") : NULL;
    document_merge(schema, write->asking.schemas, merged, change);
    if (ttl == NULL)
        ttl = stored_ttl;
    else
        cJSON_Delete(stored_ttl);
    write->change = change;
    bool ok = write_save(write, DOCUMENT_UPDATE, old, merged, ttl);
    write->change = NULL;
    cJSON_Delete(change);
    return ok && write_finish(write, write->names.is_given);
}

static bool patch(struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = write_restart(arg, error);
    cJSON *old = NULL;

    (void)session;
    if (!asking_load(&write->asking, write->target, STORE_FOR_UPDATE, &old, NULL))
        return false;
    bool ok = write_may(write, old);
    if (ok && old == NULL)
        ok = refuse_missing(write);
    else if (ok)
        ok = merge_and_save(write, old, write_copy_body(write, old));
    cJSON_Delete(old);
    return ok;
}

/* ---- DELETE ---- */

/* Of most kinds deleting what is not there is a success. */
static bool delete_nothing(struct write *write)
{
    const struct crud_target *target = write->target;

    if (target->key.through == NULL)
        return target->kind == CRUD_ENTITY || refuse_not_found(write);
    asking_answer_missing(&write->asking, target->schema, &target->key);
    return false;
}

static bool delete (struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = write_restart(arg, error);
    const struct crud_target *target = write->target;
    cJSON *old = NULL;
    bool ok = false;

    if (!asking_load(&write->asking, target, STORE_FOR_UPDATE, &old, NULL))
        return false;
    if (old == NULL)
        ok = write_may(write, NULL) && delete_nothing(write);
    else if (target->kind == CRUD_PARENT)
        answer_message(write->asking.answer, 405, "Method not allowed");
    else
        ok = write_may(write, old) && store_delete(session, target->schema, old, error);
    cJSON_Delete(old);
    return ok;
}

/* ---- around the transaction ---- */

/* Its line in the audit log. `receipt` NULL: nobody knows whether the change was committed. */
static void leave_trace(struct store_session *session, struct write *write, struct request *request,
                        const struct outbox_receipt *receipt)
{
    const struct admin_bus *bus = &request->admin->options.bus;
    const struct crud_target *target = write->target;
    size_t count = receipt != NULL ? store_committed_count(session) : 0;
    char position[40];

    if (request->audit == NULL || (receipt != NULL && receipt->position == 0))
        return;
    struct store_change *all = mem_alloc((count + 1) * sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i] = store_committed(session, i);
    if (receipt != NULL)
        bus->position_text(bus->arg, receipt->position, position);
    const struct audit_change change = {
        .schema = target->schema,
        .before = write->before,
        .after = write->result,
        .all = all,
        .all_count = count,
        .linked = target->kind == CRUD_PARENT ? target->foreign_name : NULL,
        .position = receipt != NULL ? position : NULL,
    };
    audit_change(request, &change);
    free(all);
}

static void answer_done(struct request *request, struct write *write, int status)
{
    if (write->result != NULL)
        crud_answer_document(request, status, write->result, &write->version);
    else
        answer_empty(&request->answer, status);
    write->result = NULL; /* was taken */
}

static void run(struct store_session *session, struct request *request,
                bool (*body)(struct store_session *session, void *arg, struct store_error *error), int status)
{
    struct store_error error = {0};
    struct outbox_receipt receipt = {0};
    struct write write = {
        .asking = {session, request->admin->options.schemas, &request->answer, &error},
        .request = request,
        .target = &request->target,
    };
    bool ok = false;

    for (int tries = 0; tries < PUT_TRIES; tries++) {
        ok = store_transact(session, body, &write, &receipt, &error);
        if (ok || !can_try_again(&write, &error))
            break;
    }
    if (ok) {
        leave_trace(session, &write, request, &receipt);
        answer_done(request, &write, status);
        request_spread(request, session, &receipt);
    } else {
        if (error.failure == STORE_UNKNOWN_OUTCOME)
            leave_trace(session, &write, request, NULL);
        if (error.failure != STORE_OK || request->answer.status == 0)
            answer_store_error(&request->answer, request->target.schema, &error);
    }
    write_fini(&write);
    store_error_fini(&error);
}

void crud_write_create(struct store_session *session, struct request *request)
{
    run(session, request, create, 201);
}

void crud_write_put(struct store_session *session, struct request *request)
{
    run(session, request, put, 200);
}

void crud_write_patch(struct store_session *session, struct request *request)
{
    run(session, request, patch, 200);
}

void crud_write_delete(struct store_session *session, struct request *request)
{
    run(session, request, delete, 204);
}
