/*
 * write - see write.h. Works on copies of the body and of what was stored, and keeps nothing from one run to
 * the next.
 */

#include "admin/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/references.h"
#include "admin/request.h"
#include "admin/state.h"
#include "admin/version.h"
#include "gateway/base/clock.h"
#include "gateway/store/store.h"

enum {
    MAX_TTL_S = 100000000
};

int64_t write_wall_us(void)
{
    const struct clock *clock = clock_system();

    return clock->wall_us(clock->arg);
}

struct write *write_restart(void *arg, struct store_error *error)
{
    struct write *write = arg;

    write->asking.error = error;
    answer_fini(write->asking.answer);
    write_fini(write);
    return write;
}

void write_fini(struct write *write)
{
    cJSON_Delete(write->before);
    cJSON_Delete(write->result);
    names_fini(&write->names);
    write->before = write->result = NULL;
    write->was_insert = false;
}

/* ---- what the client has seen ---- */

static const char *words_of(enum version_verdict verdict, bool exists)
{
    if (verdict == VERSION_IS_KNOWN)
        return "If-None-Match: the entity exists";
    return exists ? "If-Match: the entity has changed" : "If-Match: there is no such entity";
}

static bool look(struct write *write, const cJSON *old, struct digest *version)
{
    return version_look(&write->asking, &write->request->admin->options.salt, write->target->schema, old,
                        version);
}

bool write_may(struct write *write, const cJSON *old)
{
    const struct version_condition *condition = &write->request->condition;
    struct answer *answer = write->asking.answer;
    struct digest version = {{0}};

    if (old != NULL && write->request->audit != NULL) {
        write->before = cJSON_Duplicate(old, true);
        if (!names_show(&write->asking, write->target, write->before))
            return false;
    }
    if (!condition->match.is_given && !condition->none_match.is_given)
        return true;
    if (old != NULL && !look(write, old, &version))
        return false;
    enum version_verdict verdict = version_judge(condition, old != NULL ? &version : NULL);
    if (verdict == VERSION_FITS)
        return true;
    answer_message(answer, 412, "%s", words_of(verdict, old != NULL));
    if (old != NULL)
        version_format(&version, answer->etag);
    return false;
}

/* ---- the body ---- */

bool write_take_ttl(struct write *write, cJSON *document, cJSON **ttl)
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

cJSON *write_copy_body(const struct write *write, const cJSON *stored)
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

bool write_complete(struct write *write, const struct schema *schema, enum document_op op, cJSON *document)
{
    const struct document_context context = {
        .schemas = write->asking.schemas,
        .schema = schema,
        .op = op,
        .now_us = write_wall_us(),
        .change = write->change,
    };
    struct violations violations = {0};
    check_change(write, &violations);
    bool ok = document_complete(&context, document, &violations) && !violations_any(&violations);
    if (!ok)
        answer_violations(write->asking.answer, &violations);
    violations_fini(&violations);
    return ok && references_check(&write->asking, schema, document);
}

/* The instant at which the row expires is made by the database. */
static bool set_expiry(struct asking *asking, const struct schema *schema, cJSON *document)
{
    static const char name[] = "expires_at";
    cJSON *row = NULL;

    if (!schema->has_ttl)
        return true;
    if (!store_find(asking->session, schema, "id", str_of(document_text(document, "id")), STORE_READ, &row,
                    asking->error))
        return false;
    cJSON *expiry = cJSON_DetachItemFromObjectCaseSensitive(row, name);
    asking_set(document, name, expiry != NULL ? expiry : cJSON_CreateNull());
    cJSON_Delete(row);
    return true;
}

bool write_save(struct write *write, enum document_op op, const cJSON *old, cJSON *document, cJSON *ttl)
{
    const struct schema *schema = write->target->schema;
    struct asking *asking = &write->asking;
    bool ok = write_complete(write, schema, op, document);

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
        ok = set_expiry(asking, schema, document);
    if (ok)
        write->result = document;
    else
        cJSON_Delete(document);
    return ok;
}

bool write_resolve_and_save(struct write *write, enum document_op op, const cJSON *old, cJSON *document)
{
    cJSON *ttl = NULL;

    if (write_take_ttl(write, document, &ttl) &&
        references_resolve(&write->asking, write->target->schema, document))
        return write_save(write, op, old, document, ttl);
    cJSON_Delete(ttl);
    cJSON_Delete(document);
    return false;
}

/* ---- names that are rows of their own ---- */

bool write_take_names(struct write *write, cJSON *body, const cJSON *old)
{
    write->names.from_form = write->request->body.is_form;
    return names_take(&write->asking, write->target, body, old != NULL ? document_text(old, "id") : NULL,
                      &write->names);
}

bool write_finish(struct write *write, bool replaces_names)
{
    const char *id = document_text(write->result, "id");

    if (replaces_names && !names_store(&write->asking, write->target, id, &write->names))
        return false;
    return names_show(&write->asking, write->target, write->result) &&
           look(write, write->result, &write->version);
}
