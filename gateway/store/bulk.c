/*
 * bulk - see bulk.h. A thousand rows in one statement cost a tenth of a thousand statements: what is left is
 * the work of the indexes.
 */

#include "gateway/store/bulk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/model/document.h"
#include "gateway/store/errors.h"
#include "gateway/store/query.h"
#include "gateway/store/session.h"

static bool read_salt(const PGresult *result, struct digest_salt *salt)
{
    struct uuid hex;

    if (PQntuples(result) != 1 || !uuid_from_str(str_of(PQgetvalue(result, 0, 0)), &hex))
        return false;
    memcpy(salt->bytes, hex.bytes, sizeof(salt->bytes));
    return true;
}

bool store_find_salt(const struct pg_options *primary, int64_t timeout_ms, struct digest_salt *salt,
                     struct err *err)
{
    /* Sixteen bytes, in the clothes of a uuid. */
    const struct pg_statement statement = {
        .sql = "SELECT encode(key_salt, 'hex')::uuid FROM cluster_head WHERE one"};
    struct pg_session *session = pg_session_new(primary);
    struct bus_err bus_err;
    PGresult *result = NULL;

    bool ok =
        pg_session_run(session, &statement, 1, &result, timeout_ms, &bus_err) || err_from_bus(err, &bus_err);
    if (ok && !read_salt(result, salt))
        ok = err_set(err, ERR_VERSION, "the database has no salt of keys");
    PQclear(result);
    pg_session_free(session);
    return ok;
}

bool store_look(const struct pg_options *primary, int64_t timeout_ms,
                bool (*body)(struct pg_session *view, void *arg, struct err *err), void *arg, struct err *err)
{
    struct pg_session *view = pg_session_new(primary);
    struct bus_err bus_err;
    bool ok =
        pg_session_command(view, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", timeout_ms, &bus_err) ||
        err_from_bus(err, &bus_err);

    ok = ok && body(view, arg, err);
    pg_session_free(view); /* and with it the transaction, which has changed nothing */
    return ok;
}

bool store_read_all(struct store_session *session, const struct schema *schema,
                    bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                    struct store_error *error)
{
    struct bus_err bus_err;
    struct err err;

    assert(session->transaction != NULL);
    if (!transaction_flush(session->transaction, &bus_err))
        return store_error_from(error, &bus_err);
    return store_view_all(session->transaction->connection, schema, row, arg, &err) ||
           store_error_set(error, err.code == ERR_UNAVAILABLE ? STORE_UNAVAILABLE : STORE_REJECTED, "%s",
                           err.text);
}

bool store_insert_all(struct store_session *session, const struct schema *schema, const cJSON *documents,
                      struct store_error *error)
{
    char *text = document_print(documents);
    const char *const params[] = {text};
    struct buf sql = {0};
    struct bus_err err;
    PGresult *result = NULL;

    assert(session->transaction != NULL);
    query_insert_all(&sql, schema);
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = params};
    bool ok = session_query(session, &statement, &result, &err) || store_error_from(error, &err);
    PQclear(result);
    buf_fini(&sql);
    cJSON_free(text);
    for (const cJSON *document = documents->child; ok && document != NULL; document = document->next)
        session_note(session, schema, NULL, document);
    return ok;
}
