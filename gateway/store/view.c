/*
 * view - rows of routing entities in the snapshot that a batch of the bus was read in.
 *
 * A thousand rows at a time, in order of id: the transaction is REPEATABLE READ, so the pieces are of one
 * state, and memory stays what one piece needs however large the table is.
 */

#include <stdio.h>
#include <stdlib.h>

#include "gateway/model/document.h"
#include "gateway/store/errors.h"
#include "gateway/store/query.h"
#include "gateway/store/session.h"

enum {
    CHUNK_ROWS = 1000,
    CHUNK_DEADLINE_MS =
        10000, /* a routing snapshot of a large database over a slow line; polls have their own */
};

typedef bool (*row_fn)(void *arg, const cJSON *document, struct err *err);

static bool run_chunk(struct pg_session *view, const struct pg_statement *statement, PGresult **result,
                      struct err *err)
{
    struct bus_err bus_err;

    return pg_session_run(view, statement, 1, result, CHUNK_DEADLINE_MS, &bus_err) ||
           err_from_bus(err, &bus_err);
}

static bool hand_out(const PGresult *result, row_fn row, void *arg, struct err *err)
{
    bool ok = true;

    for (int i = 0; i < PQntuples(result) && ok; i++) {
        cJSON *document = row_document(result, i, 0);
        ok = document != NULL ? row(arg, document, err)
                              : err_set(err, ERR_SYNTAX, "a row is no JSON: %.80s", PQgetvalue(result, i, 0));
        cJSON_Delete(document);
    }
    return ok;
}

bool store_view_all(struct pg_session *view, const struct schema *schema,
                    bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                    struct err *err)
{
    char last[UUID_TEXT_SIZE] = "";
    const char *params[] = {last};
    int rows;

    do {
        PGresult *result = NULL;
        struct buf sql = {0};
        buf_add_text(&sql, "SELECT row_to_json(d), d.id FROM ");
        query_open_rows(&sql, schema, QUERY_LIVE);
        if (last[0] != '\0')
            buf_add_text(&sql, " AND t.id > $1::uuid");
        buf_printf(&sql, " ORDER BY t.id LIMIT %d) d ORDER BY d.id", (int)CHUNK_ROWS);
        struct pg_statement statement = {
            .sql = sql.at, .param_count = last[0] != '\0' ? 1 : 0, .params = params};
        bool ok = run_chunk(view, &statement, &result, err) && hand_out(result, row, arg, err);
        buf_fini(&sql);
        rows = PQntuples(result);
        if (rows > 0)
            (void)snprintf(last, sizeof(last), "%s", PQgetvalue(result, rows - 1, 1));
        PQclear(result);
        if (!ok)
            return err_wrap(err, "read %s", schema->name);
    } while (rows == CHUNK_ROWS);
    return true;
}

/* NOLINTNEXTLINE(readability-function-size): as store_view_all(), and which rows */
bool store_view_ids(struct pg_session *view, const struct schema *schema, const struct uuid *ids,
                    size_t count, bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                    struct err *err)
{
    struct buf sql = {0};
    bool ok = true;

    buf_add_text(&sql, "SELECT row_to_json(d) FROM ");
    query_open_rows(&sql, schema, QUERY_LIVE);
    buf_add_text(&sql, " AND t.id = ANY ($1::uuid[])) d");
    for (size_t from = 0; from < count && ok; from += CHUNK_ROWS) {
        struct buf array = {0};
        PGresult *result = NULL;
        char text[UUID_TEXT_SIZE];
        buf_add_byte(&array, '{');
        for (size_t i = from; i < count && i < from + CHUNK_ROWS; i++)
            query_add_element(&array, str_of(uuid_format(&ids[i], text)));
        buf_add_byte(&array, '}');
        const char *params[] = {array.at};
        struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = params};
        ok = run_chunk(view, &statement, &result, err) && hand_out(result, row, arg, err);
        PQclear(result);
        buf_fini(&array);
    }
    buf_fini(&sql);
    return ok || err_wrap(err, "read %s", schema->name);
}
