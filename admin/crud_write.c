/*
 * crud_write - see crud_write.h.
 *
 *   what the client sent -> types (forms) -> foreign keys by name -> complete and valid -> rules -> row and
 * event
 *
 * all inside one transaction, which Postgres may make us run again from the start: a body therefore works on
 * copies and keeps nothing from one run to the next.
 */

#include "admin/crud_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/asking.h"
#include "admin/names.h"
#include "admin/references.h"
#include "admin/request.h"
#include "admin/state.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

enum {
    MAX_TTL_S = 100000000,
    PUT_TRIES = 3
};

struct write {
    struct asking asking;
    const struct request *request;
    const struct crud_target *target;
    const cJSON *change; /* of PATCH, while it is being merged; NULL otherwise */
    struct names names;  /* out of the body: rows of their own */
    cJSON *result;       /* the entity as it is stored now; NULL: none */
    bool was_insert;     /* of PUT: there was nothing to replace */
};

static int64_t wall_us(void)
{
    const struct clock *clock = clock_system();

    return clock->wall_us(clock->arg);
}

/* false: the answer says why the ttl cannot be. *ttl is the caller's; NULL: the body has none. */
static bool take_ttl(struct write *write, cJSON *document, cJSON **ttl)
{
    double seconds = -1;
    int64_t number;

    *ttl = NULL;
    if (!write->target->schema->has_ttl)
        return true;
    cJSON *given = cJSON_DetachItemFromObjectCaseSensitive(document, "ttl");
    if (given == NULL)
        return true;
    if (cJSON_IsNumber(given))
        seconds = given->valuedouble;
    else if (cJSON_IsNull(given))
        seconds = 0;
    else if (cJSON_IsString(given) && write->request->body.is_form &&
             str_to_int(str_of(given->valuestring), &number))
        seconds = (double)number;
    cJSON_Delete(given);
    if (!(seconds >= 0) || seconds > MAX_TTL_S || seconds != floor(seconds)) {
        answer_invalid_option(write->asking.answer, "ttl", "must be an integer between 0 and 100000000");
        return false;
    }
    *ttl = seconds > 0 ? cJSON_CreateNumber(seconds) : cJSON_CreateNull();
    return true;
}

/* A copy of the body with typed values. `stored`: what it is going to change, or NULL. */
static cJSON *copy_body(const struct write *write, const cJSON *stored)
{
    cJSON *document = cJSON_Duplicate(write->request->body.object, true);

    if (write->request->body.is_form)
        document_type_form(write->asking.schemas, write->target->schema, document, stored);
    return document;
}

/* A change is gone once it is merged: what is wrong with its shorthands, or with what is missing, is found
 * here.
 */
static void check_change(const struct write *write, struct violations *violations)
{
    const struct schema *schema = write->target->schema;

    if (write->change == NULL)
        return;
    cJSON *copy = cJSON_Duplicate(write->change, true);
    if (schema->expand != NULL)
        schema->expand(copy, violations);
    if (write->target->kind == CRUD_ENTITY) /* a path below a parent names it */
        document_check_change(schema, copy, violations);
    cJSON_Delete(copy);
}

static bool complete(struct write *write, enum document_op op, cJSON *document)
{
    const struct document_context context = {
        .schemas = write->asking.schemas,
        .schema = write->target->schema,
        .op = op,
        .now_us = wall_us(),
        .change = write->change,
    };
    struct violations violations = {0};
    check_change(write, &violations);
    bool ok = document_complete(&context, document, &violations) && !violations_any(&violations);
    if (!ok)
        answer_violations(write->asking.answer, &violations);
    violations_fini(&violations);
    return ok && references_check(&write->asking, write->target->schema, document);
}

/* Takes `document` and `ttl`; on success the document is the result. `old` NULL: insert. */
static bool save(struct write *write, enum document_op op, const cJSON *old, cJSON *document, cJSON *ttl)
{
    const struct schema *schema = write->target->schema;
    struct asking *asking = &write->asking;
    bool ok = complete(write, op, document);

    if (ok && schema->has_ttl) {
        asking_set(document, "ttl", ttl != NULL ? ttl : cJSON_CreateNull());
        ttl = NULL;
    }
    cJSON_Delete(ttl);
    if (ok && old == NULL)
        ok = store_insert(asking->session, schema, document, asking->error);
    else if (ok)
        ok = store_update(asking->session, schema, old, document, asking->error);
    if (ok)
        write->result = document;
    else
        cJSON_Delete(document);
    return ok;
}

/* The body is complete but for what `save` adds. Takes `document`. */
static bool resolve_and_save(struct write *write, enum document_op op, const cJSON *old, cJSON *document)
{
    cJSON *ttl = NULL;

    if (take_ttl(write, document, &ttl) &&
        references_resolve(&write->asking, write->target->schema, document))
        return save(write, op, old, document, ttl);
    cJSON_Delete(ttl);
    cJSON_Delete(document);
    return false;
}

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

/* Out of a body, for later; `old`: what it is going to change, or NULL. */
static bool take_names(struct write *write, cJSON *body, const cJSON *old)
{
    write->names.from_form = write->request->body.is_form;
    return names_take(&write->asking, write->target, body, old != NULL ? document_text(old, "id") : NULL,
                      &write->names);
}

/* Once the entity is saved. */
static bool save_names(struct write *write, bool replaces)
{
    const char *id = document_text(write->result, "id");

    if (replaces && !names_store(&write->asking, write->target, id, &write->names))
        return false;
    return names_show(&write->asking, write->target, write->result);
}

static struct write *restart(void *arg, struct store_error *error)
{
    struct write *write = arg;

    write->asking.error = error;
    answer_fini(write->asking.answer);
    cJSON_Delete(write->result);
    write->result = NULL;
    names_fini(&write->names);
    write->was_insert = false;
    return write;
}

/* ---- POST ---- */

static bool create(struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = restart(arg, error);
    cJSON *parent = NULL;

    (void)session;
    if (write->target->kind == CRUD_NESTED_COLLECTION) {
        if (!asking_load_other(&write->asking, write->target, STORE_READ, &parent))
            return false;
        if (parent == NULL)
            return refuse_lost(write);
    }
    cJSON *document = copy_body(write, NULL);
    if (parent != NULL)
        asking_set(document, write->target->foreign_name, asking_reference(document_text(parent, "id")));
    cJSON_Delete(parent);
    if (!take_names(write, document, NULL)) {
        cJSON_Delete(document);
        return false;
    }
    return resolve_and_save(write, DOCUMENT_CREATE, NULL, document) &&
           save_names(write, write->names.is_given);
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

/* The child refers to what has just been made. */
static bool link_child(struct write *write, const cJSON *child)
{
    const struct schema *schema = write->target->other;
    cJSON *changed = cJSON_Duplicate(child, true);
    int64_t now_s = wall_us() / 1000000;

    asking_set(changed, write->target->foreign_name, asking_reference(document_text(write->result, "id")));
    if (schema_field(schema, "updated_at") != NULL)
        asking_set(changed, "updated_at", cJSON_CreateNumber((double)now_s));
    bool ok = store_update(write->asking.session, schema, child, changed, write->asking.error);
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
    cJSON *document = copy_body(write, NULL);

    set_identity(write, old, parent, document);
    write->was_insert = old == NULL;
    if (!take_names(write, document, old)) {
        cJSON_Delete(document);
        return false;
    }
    if (old == NULL && key->through != NULL)
        names_add(&write->names, key->text);
    return resolve_and_save(write, DOCUMENT_REPLACE, old, document) &&
           save_names(write, /* replaces= */ true);
}

static bool put(struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = restart(arg, error);
    const struct crud_target *target = write->target;
    bool is_nested = target->kind == CRUD_NESTED_ENTITY;
    cJSON *old = NULL;
    cJSON *other = NULL;
    bool ok = load_replaced(write, &old, &other);

    (void)session;
    if (ok && target->other != NULL && other == NULL)
        ok = refuse_lost(write);
    if (ok)
        ok = replace(write, old, is_nested ? other : NULL);
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
    if (!take_names(write, change, old) || !take_ttl(write, change, &ttl) ||
        !references_resolve(&write->asking, schema, change)) {
        cJSON_Delete(ttl);
        cJSON_Delete(change);
        return false;
    }
    cJSON *merged = cJSON_Duplicate(old, true);
    cJSON *stored_ttl = schema->has_ttl ? cJSON_DetachItemFromObjectCaseSensitive(merged, "ttl") : NULL;
    document_merge(schema, write->asking.schemas, merged, change);
    if (ttl == NULL)
        ttl = stored_ttl;
    else
        cJSON_Delete(stored_ttl);
    write->change = change;
    bool ok = save(write, DOCUMENT_UPDATE, old, merged, ttl);
    write->change = NULL;
    cJSON_Delete(change);
    return ok && save_names(write, write->names.is_given);
}

static bool patch(struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = restart(arg, error);
    cJSON *old = NULL;

    (void)session;
    if (!asking_load(&write->asking, write->target, STORE_FOR_UPDATE, &old, NULL))
        return false;
    if (old == NULL)
        return refuse_missing(write);
    bool ok = merge_and_save(write, old, copy_body(write, old));
    cJSON_Delete(old);
    return ok;
}

/* ---- DELETE ---- */

static bool delete (struct store_session *session, void *arg, struct store_error *error)
{
    struct write *write = restart(arg, error);
    const struct crud_target *target = write->target;
    cJSON *old = NULL;
    bool ok = true;

    if (!asking_load(&write->asking, target, STORE_FOR_UPDATE, &old, NULL))
        return false;
    if (old == NULL && target->key.through == NULL)
        return target->kind == CRUD_ENTITY || refuse_not_found(write);
    if (old == NULL) {
        asking_answer_missing(&write->asking, target->schema, &target->key);
        return false;
    }
    if (target->kind == CRUD_PARENT) {
        answer_message(write->asking.answer, 405, "Method not allowed");
        ok = false;
    } else {
        ok = store_delete(session, target->schema, old, error);
    }
    cJSON_Delete(old);
    return ok;
}

/* ---- around the transaction ---- */

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
        if (write.result != NULL)
            crud_answer_document(request, status, write.result);
        else
            answer_empty(&request->answer, status);
        request_spread(request, session, &receipt);
    } else {
        cJSON_Delete(write.result);
        if (error.failure != STORE_OK || request->answer.status == 0)
            answer_store_error(&request->answer, request->target.schema, &error);
    }
    names_fini(&write.names);
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
