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

/* NOLINTNEXTLINE(readability-function-size): as the others, and which rows */
bool store_view_page(struct pg_session *view, const struct schema *schema, const struct uuid *after,
                     size_t limit, row_fn row, void *arg, size_t *rows, struct err *err)
{
    char last[UUID_TEXT_SIZE];
    const char *params[] = {uuid_format(after, last)};
    PGresult *result = NULL;
    struct buf sql = {0};

    buf_add_text(&sql, "SELECT row_to_json(d) FROM ");
    query_open_rows(&sql, schema, QUERY_LIVE);
    buf_printf(&sql, " AND t.id > $1::uuid ORDER BY t.id LIMIT %zu) d ORDER BY d.id", limit);
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = params};
    bool ok = run_chunk(view, &statement, &result, err) && hand_out(result, row, arg, err);
    *rows = (size_t)PQntuples(result);
    PQclear(result);
    buf_fini(&sql);
    return ok || err_wrap(err, "read %s", schema->name);
}

bool store_view_count(struct pg_session *view, const struct schema *schema, uint64_t *rows, struct err *err)
{
    PGresult *result = NULL;
    struct buf sql = {0};

    buf_add_text(&sql, "SELECT count(*) FROM ");
    query_open_rows(&sql, schema, QUERY_LIVE);
    buf_add_text(&sql, ") d");
    bool ok = run_chunk(view, &(struct pg_statement){.sql = sql.at}, &result, err);
    *rows = ok ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    buf_fini(&sql);
    return ok || err_wrap(err, "count %s", schema->name);
}

/* The row that a page ends with is where the next one begins; the nil uuid is nobody's. */
struct walk {
    row_fn row;
    void *arg;
    struct uuid last;
};

static bool walk_row(void *arg, const cJSON *document, struct err *err)
{
    struct walk *walk = arg;

    return (document_id(document, &walk->last) || err_set(err, ERR_INVALID, "a row without an id")) &&
           walk->row(walk->arg, document, err);
}

bool store_view_all(struct pg_session *view, const struct schema *schema, row_fn row, void *arg,
                    struct err *err)
{
    struct walk walk = {.row = row, .arg = arg};
    size_t rows;

    do {
        struct uuid after = walk.last;
        if (!store_view_page(view, schema, &after, CHUNK_ROWS, walk_row, &walk, &rows, err))
            return false;
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
