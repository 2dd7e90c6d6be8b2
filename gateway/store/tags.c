/*
 * tags - rows of one entity and one of its tags, over all tables, a page at a time.
 *
 * Each table gives no more than a page from the start on, in the order of its primary key; the pages are
 * merged. Two entities of different kinds may have one id: a page begins at an id and passes over as many of
 * its rows as the page before has shown.
 */

#include <inttypes.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/store/errors.h"
#include "gateway/store/page_token.h"
#include "gateway/store/query.h"
#include "gateway/store/session.h"

/* Rows of one table. $1: where to begin; $2: the tag, if one is asked for. */
static void add_table(struct buf *sql, const struct schema *schema, bool of_one, int64_t limit)
{
    const char *name = schema->shown_name != NULL ? schema->shown_name : schema->name;

    buf_printf(sql, "(SELECT t.id, '%s' AS name, g.tag, g.n FROM ", name);
    query_add_table(sql, schema);
    buf_add_text(sql,
                 " t CROSS JOIN LATERAL unnest(t.tags) WITH ORDINALITY g(tag, n) WHERE t.id >= $1::uuid");
    if (of_one)
        buf_add_text(sql, " AND t.tags @> ARRAY[$2::text] AND g.tag = $2::text");
    if (schema->has_ttl)
        buf_add_text(sql, " AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())");
    buf_printf(sql, " ORDER BY t.id, g.n LIMIT %" PRId64 ")", limit);
}

static void make_statement(struct buf *sql, const struct schemas *schemas,
                           const struct store_tags_query *query, int64_t passed)
{
    bool of_one = query->tag.at != NULL;
    int64_t limit = passed + query->size + 1;
    bool is_first = true;

    buf_add_text(sql,
                 "SELECT json_build_object('tag', v.tag, 'entity_name', v.name, 'entity_id', v.id), v.id, v.k"
                 " FROM (SELECT u.*, row_number() OVER (PARTITION BY u.id ORDER BY u.name, u.n) AS k FROM (");
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        if (!schema->has_tags || schemas_is_hidden(schemas, schema))
            continue;
        buf_add_text(sql, is_first ? "" : " UNION ALL ");
        add_table(sql, schema, of_one, limit);
        is_first = false;
    }
    buf_printf(sql, ") u) v WHERE v.id > $1::uuid OR v.k > %" PRId64 " ORDER BY v.id, v.k LIMIT %d", passed,
               query->size + 1);
}

static bool read_start(const struct store_tags_query *query, struct uuid *start, int64_t *passed,
                       struct store_error *error)
{
    const char *problem = "bad json encoding";

    *start = (struct uuid){{0}};
    *passed = 0;
    if (query->offset.at == NULL)
        return true;
    switch (page_token_read_within(query->offset, start, passed)) {
    case PAGE_TOKEN_OK:
        --*passed; /* the place itself is where the page begins */
        return true;
    case PAGE_TOKEN_BAD_BASE64:
        problem = "bad base64 encoding";
        break;
    case PAGE_TOKEN_BAD_JSON:
        break;
    }
    return store_error_set(error, STORE_BAD_OFFSET, "'%.*s' is not a valid offset: %s",
                           STR_ARG(query->offset), problem);
}

static void fill_page(const PGresult *result, const struct store_tags_query *query, struct store_page *page)
{
    char token[PAGE_TOKEN_WITHIN_SIZE];
    struct uuid next;
    int64_t place;
    int rows = PQntuples(result);

    *page = (struct store_page){.documents = cJSON_CreateArray()};
    for (int i = 0; i < rows && i < query->size; i++)
        (void)cJSON_AddItemToArray(page->documents, row_document(result, i, 0));
    if (rows <= query->size || !uuid_from_str(str_of(PQgetvalue(result, query->size, 1)), &next) ||
        !str_to_int(str_of(PQgetvalue(result, query->size, 2)), &place))
        return;
    if (query->tag.at != NULL && place == 1)
        page->next_offset = mem_strdup(page_token_make(&next, token));
    else
        page->next_offset = mem_strdup(page_token_make_within(&next, place, token));
}

bool store_tags(struct store_session *session, const struct store_tags_query *query, struct store_page *page,
                struct store_error *error)
{
    struct buf sql = {0};
    struct bus_err err;
    PGresult *result = NULL;
    struct uuid start;
    char id[UUID_TEXT_SIZE];
    int64_t passed;

    if (!read_start(query, &start, &passed, error))
        return false;
    char *tag = mem_strndup(query->tag.at != NULL ? query->tag.at : "", query->tag.len);
    make_statement(&sql, session->options->schemas, query, passed);
    const char *params[] = {uuid_format(&start, id), tag};
    const struct pg_statement statement = {
        .sql = sql.at, .param_count = query->tag.at != NULL ? 2 : 1, .params = params};
    bool ok = session_query(session, &statement, &result, &err);
    if (ok)
        fill_page(result, query, page);
    PQclear(result);
    buf_fini(&sql);
    free(tag);
    return ok || store_error_from(error, &err);
}
