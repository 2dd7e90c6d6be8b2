/*
 * write - insert, update and delete, each with its events.
 *
 * What a delete takes along follows from the schemas: a foreign field with FIELD_CASCADE names a dependant.
 * They are listed under lock and named one by one, because a row that goes without an event stays in some
 * node's cache for ever (consistency reference, I13). Fields without it are left to the foreign keys of the
 * database, which refuse.
 *
 * Rows whose time is over do not exist for readers but still occupy their keys. Each write to a table with a
 * ttl carries some of them away, those in its own way first.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/store/errors.h"
#include "gateway/store/query.h"
#include "gateway/store/session.h"

static bool has_dependants(const struct schemas *schemas, const struct schema *parent)
{
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        for (size_t k = 0; k < schema->field_count; k++) {
            const struct field *field = &schema->fields[k];
            if (field->kind == FIELD_FOREIGN && (field->flags & FIELD_CASCADE) != 0 &&
                strcmp(field->reference, parent->name) == 0)
                return true;
        }
    }
    return false;
}

/* Deletes the rows of which `condition` over $1 is true. */
static bool remove_where(struct store_session *session, const struct schema *schema, const char *condition,
                         const char *value, struct store_error *error)
{
    struct buf sql = {0};
    struct bus_err err;
    PGresult *result = NULL;

    buf_add_text(&sql, "DELETE FROM ");
    query_add_table(&sql, schema);
    buf_printf(&sql, " WHERE %s", condition);
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = &value};
    bool ok = session_query(session, &statement, &result, &err);
    buf_fini(&sql);
    PQclear(result);
    return ok || store_error_from_delete(error, &err, session->options->schemas);
}

static bool delete_dependants(struct store_session *session, const struct schema *parent, const char *id,
                              struct store_error *error);

/* One kind of dependant: all rows of `schema` whose `field` is the parent. */
static bool delete_children(struct store_session *session, const struct schema *schema,
                            const struct field *field, const char *parent_id, struct store_error *error)
{
    bool has_own = has_dependants(session->options->schemas, schema);
    struct buf sql = {0};
    struct bus_err err;
    PGresult *result = NULL;

    buf_add_text(&sql, "SELECT row_to_json(d) FROM ");
    query_open_rows(&sql, schema, QUERY_EXPIRED_TOO);
    buf_printf(&sql, " AND t.\"%s_id\" = $1::uuid ORDER BY t.id FOR UPDATE) d", field->name);
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = &parent_id};
    bool ok = session_query(session, &statement, &result, &err);
    buf_fini(&sql);
    if (!ok)
        return store_error_from(error, &err);
    int rows = PQntuples(result);
    for (int i = 0; i < rows && ok; i++) {
        cJSON *child = row_document(result, i, 0);
        session_note(session, schema, child, NULL);
        ok = !has_own || delete_dependants(session, schema, document_text(child, "id"), error);
        cJSON_Delete(child);
    }
    PQclear(result);
    if (!ok || rows == 0)
        return ok;
    /* The parent is locked, so no further child can have come meanwhile. */
    char *condition = mem_printf("\"%s_id\" = $1::uuid", field->name);
    ok = remove_where(session, schema, condition, parent_id, error);
    free(condition);
    return ok;
}

static bool delete_dependants(struct store_session *session, const struct schema *parent, const char *id,
                              struct store_error *error)
{
    const struct schemas *schemas = session->options->schemas;

    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        for (size_t k = 0; k < schema->field_count; k++) {
            const struct field *field = &schema->fields[k];
            if (field->kind != FIELD_FOREIGN || (field->flags & FIELD_CASCADE) == 0 ||
                strcmp(field->reference, parent->name) != 0)
                continue;
            if (!delete_children(session, schema, field, id, error))
                return false;
        }
    }
    return true;
}

/*
 * Removes rows of this kind whose time is over; see the story. `text` is the document about to be written,
 * `own_id` that of the row it replaces: it was alive when it was read, and stays.
 */
static bool clear_expired(struct store_session *session, const struct schema *schema, const char *text,
                          const char *own_id, struct store_error *error)
{
    struct buf sql = {0};
    struct bus_err err;
    PGresult *result = NULL;

    query_expired(&sql, schema);
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = &text};
    bool ok = session_query(session, &statement, &result, &err);
    buf_fini(&sql);
    if (!ok)
        return store_error_from(error, &err);
    for (int i = 0; i < PQntuples(result) && ok; i++) {
        cJSON *expired = row_document(result, i, 0);
        if (own_id == NULL || strcmp(document_text(expired, "id"), own_id) != 0)
            ok = store_delete(session, schema, expired, error);
        cJSON_Delete(expired);
    }
    PQclear(result);
    return ok;
}

/* An answer with whole seconds left loses up to one; writing it back must not shorten the row's life. */
static bool keeps_expiry(const cJSON *old, const cJSON *document)
{
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(old, "ttl");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(document, "ttl");

    return cJSON_IsNumber(before) && cJSON_IsNumber(after) && before->valuedouble == after->valuedouble;
}

/* Runs an insert or update of exactly one row. */
static bool write_row(struct store_session *session, const struct schema *schema, const cJSON *old,
                      const cJSON *document, struct store_error *error)
{
    char *text = document_print(document);
    struct buf sql = {0};
    struct bus_err err;
    PGresult *result = NULL;
    bool ok = false;

    if (schema->has_ttl &&
        !clear_expired(session, schema, text, old != NULL ? document_text(old, "id") : NULL, error))
        goto out;
    if (old == NULL)
        query_insert(&sql, schema);
    else
        query_update(&sql, schema);
    const char *params[] = {text, keeps_expiry(old, document) ? "true" : "false"};
    const struct pg_statement statement = {
        .sql = sql.at, .param_count = old != NULL && schema->has_ttl ? 2 : 1, .params = params};
    if (!session_query(session, &statement, &result, &err)) {
        (void)store_error_from_write(error, &err, session->options->schemas, schema, document);
        goto out;
    }
    ok = strcmp(PQcmdTuples(result), "1") == 0;
    if (!ok)
        (void)store_error_set(error, STORE_REJECTED, "%s: the row to write is not there", schema->name);
out:
    PQclear(result);
    buf_fini(&sql);
    cJSON_free(text);
    return ok;
}

bool store_insert(struct store_session *session, const struct schema *schema, const cJSON *document,
                  struct store_error *error)
{
    assert(session->transaction != NULL);
    if (!write_row(session, schema, NULL, document, error))
        return false;
    session_note(session, schema, NULL, document);
    return true;
}

bool store_update(struct store_session *session, const struct schema *schema, const cJSON *old,
                  const cJSON *document, struct store_error *error)
{
    assert(session->transaction != NULL);
    if (!write_row(session, schema, old, document, error))
        return false;
    session_note(session, schema, old, document);
    return true;
}

bool store_delete(struct store_session *session, const struct schema *schema, const cJSON *old,
                  struct store_error *error)
{
    const char *id = document_text(old, "id");

    assert(session->transaction != NULL && id != NULL);
    if (!delete_dependants(session, schema, id, error))
        return false;
    if (!remove_where(session, schema, "id = $1::uuid", id, error))
        return false;
    session_note(session, schema, old, NULL);
    return true;
}
