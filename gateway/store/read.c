/*
 * read - single documents and pages of them, for jobs.
 *
 * Always from the primary: the Admin API promises that who has written sees what he wrote. Replicas serve
 * fills, where the cache's fence decides whether an answer is new enough.
 */

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/store/errors.h"
#include "gateway/store/page_token.h"
#include "gateway/store/query.h"
#include "gateway/store/session.h"

enum {
    MAX_PARAMS = 4
}; /* parent, match, tags, start */

/* A statement under construction and its parameters, which it owns. */
struct asking {
    struct buf sql;
    char *params[MAX_PARAMS];
    int param_count;
};

/* Adds ` AND t.<column> <relation> $n::<type>`; takes the parameter. */
static void add_condition(struct asking *asking, const char *column, const char *relation, const char *type,
                          char *param)
{
    assert(asking->param_count < MAX_PARAMS);
    asking->params[asking->param_count++] = param;
    buf_printf(&asking->sql, " AND t.%s %s $%d::%s", column, relation, asking->param_count, type);
}

static void add_field_condition(struct asking *asking, const struct field *field, const char *relation,
                                char *param)
{
    struct buf column = {0};

    query_add_column(&column, field);
    add_condition(asking, column.at, relation, query_column_type(field), param);
    buf_fini(&column);
}

static bool ask(struct store_session *session, struct asking *asking, PGresult **result,
                struct store_error *error)
{
    struct bus_err err;
    const struct pg_statement statement = {.sql = asking->sql.at,
                                           .param_count = asking->param_count,
                                           .params = (const char *const *)asking->params};
    bool ok = session_query(session, &statement, result, &err);

    buf_fini(&asking->sql);
    for (int i = 0; i < asking->param_count; i++)
        free(asking->params[i]);
    return ok || store_error_from(error, &err);
}

static char *tag_array(const struct store_page_query *query)
{
    struct buf array = {0};

    buf_add_byte(&array, '{');
    for (size_t i = 0; i < query->tag_count; i++)
        query_add_element(&array, query->tags[i]);
    buf_add_byte(&array, '}');
    return buf_take(&array);
}

/* Values no row can have make an empty page rather than an error of Postgres. */
static bool can_match(const struct store_page_query *query)
{
    if (query->match_field != NULL &&
        !query_can_equal(schema_field(query->schema, query->match_field), query->match_value))
        return false;
    for (size_t i = 0; i < query->tag_count; i++)
        if (!query_is_text(query->tags[i]))
            return false;
    return true;
}

static bool read_offset(const struct store_page_query *query, struct uuid *start, struct store_error *error)
{
    switch (page_token_read(query->offset, start)) {
    case PAGE_TOKEN_OK:
        return true;
    case PAGE_TOKEN_BAD_BASE64:
        return store_error_set(error, STORE_BAD_OFFSET, "'%.*s' is not a valid offset: bad base64 encoding",
                               STR_ARG(query->offset));
    case PAGE_TOKEN_BAD_JSON:
        break;
    }
    return store_error_set(error, STORE_BAD_OFFSET, "'%.*s' is not a valid offset: bad json encoding",
                           STR_ARG(query->offset));
}

static void make_page_statement(const struct store_page_query *query, const struct uuid *start,
                                struct asking *asking)
{
    const struct schema *schema = query->schema;
    char id[UUID_TEXT_SIZE];

    buf_add_text(&asking->sql, "SELECT row_to_json(d), d.id FROM ");
    query_open_rows(&asking->sql, schema, QUERY_LIVE);
    if (query->parent_field != NULL)
        add_field_condition(asking, schema_field(schema, query->parent_field), "=",
                            mem_strdup(uuid_format(&query->parent, id)));
    if (query->match_field != NULL)
        add_field_condition(asking, schema_field(schema, query->match_field), "=",
                            mem_strndup(query->match_value.at, query->match_value.len));
    if (query->tag_count > 0)
        add_condition(asking, "tags", query->any_tag ? "&&" : "@>", "text[]", tag_array(query));
    if (query->newest_first) {
        buf_printf(&asking->sql,
                   " ORDER BY t.created_at DESC, t.id DESC LIMIT %d OFFSET %" PRId64
                   ") d ORDER BY d.created_at DESC, d.id DESC",
                   query->size + 1, query->skip);
        return;
    }
    if (start != NULL)
        add_condition(asking, "id", ">=", "uuid", mem_strdup(uuid_format(start, id)));
    /* One row more than asked for: it is where the next page begins. */
    buf_printf(&asking->sql, " ORDER BY t.id LIMIT %d) d ORDER BY d.id", query->size + 1);
}

/* Taking a document apart only to put it together again costs as much as all of Postgres's work. */
static cJSON *page_document(const struct store_page_query *query, const PGresult *result, int row)
{
    return query->as_text ? cJSON_CreateRaw(PQgetvalue(result, row, 0)) : row_document(result, row, 0);
}

static void fill_page(const PGresult *result, const struct store_page_query *query, struct store_page *page)
{
    char token[PAGE_TOKEN_SIZE];
    struct uuid next;
    int rows = PQntuples(result);
    int size = query->size;

    *page = (struct store_page){.documents = cJSON_CreateArray()};
    for (int i = 0; i < rows && i < size; i++)
        (void)cJSON_AddItemToArray(page->documents, page_document(query, result, i));
    if (rows > size && query->newest_first)
        page->next_offset = mem_printf("%" PRId64, query->skip + size);
    else if (rows > size && uuid_from_str(str_of(PQgetvalue(result, size, 1)), &next))
        page->next_offset = mem_strdup(page_token_make(&next, token));
}

/* NOLINTNEXTLINE(readability-function-size): what, by which column, how, and the two that come back */
/* parent_field NULL: among all rows. */
static bool find_row(struct store_session *session, const struct store_child *child, enum store_lock lock,
                     cJSON **document, struct store_error *error)
{
    const struct field *column = schema_field(child->schema, child->field);
    struct asking asking = {0};
    PGresult *result;

    assert(column != NULL);
    if (!query_can_equal(column, child->value)) {
        *document = NULL;
        return true;
    }
    buf_add_text(&asking.sql, "SELECT row_to_json(d) FROM ");
    query_open_rows(&asking.sql, child->schema, QUERY_LIVE_EXACT);
    add_field_condition(&asking, column, "=", mem_strndup(child->value.at, child->value.len));
    if (child->parent_field != NULL) {
        char id[UUID_TEXT_SIZE];
        add_field_condition(&asking, schema_field(child->schema, child->parent_field), "=",
                            mem_strdup(uuid_format(&child->parent, id)));
    }
    buf_add_text(&asking.sql, lock == STORE_FOR_UPDATE ? " FOR UPDATE) d" : ") d");
    if (!ask(session, &asking, &result, error))
        return false;
    *document = PQntuples(result) > 0 ? row_document(result, 0, 0) : NULL;
    PQclear(result);
    return true;
}

bool store_find(struct store_session *session, const struct schema *schema, const char *field,
                struct str value, enum store_lock lock, cJSON **document, struct store_error *error)
{
    const struct store_child any = {.schema = schema, .field = field, .value = value};

    return find_row(session, &any, lock, document, error);
}

bool store_find_child(struct store_session *session, const struct store_child *child, enum store_lock lock,
                      cJSON **document, struct store_error *error)
{
    assert(child->parent_field != NULL);
    return find_row(session, child, lock, document, error);
}

bool store_list(struct store_session *session, const struct store_page_query *query, struct store_page *page,
                struct store_error *error)
{
    struct asking asking = {0};
    struct uuid start;
    PGresult *result;

    if (query->offset.at != NULL && !read_offset(query, &start, error))
        return false;
    if (!can_match(query)) {
        *page = (struct store_page){.documents = cJSON_CreateArray()};
        return true;
    }
    make_page_statement(query, query->offset.at != NULL ? &start : NULL, &asking);
    if (!ask(session, &asking, &result, error))
        return false;
    fill_page(result, query, page);
    PQclear(result);
    return true;
}

static char *id_array(const cJSON *documents)
{
    const cJSON *document = cJSON_IsArray(documents) ? documents->child : documents;
    struct buf array = {0};

    buf_add_byte(&array, '{');
    for (; document != NULL; document = document->next)
        query_add_element(&array, str_of(document_text(document, "id")));
    buf_add_byte(&array, '}');
    return buf_take(&array);
}

bool store_list_children(struct store_session *session, const struct store_children *children, cJSON **lists,
                         struct store_error *error)
{
    struct asking asking = {0};
    PGresult *result;

    buf_printf(&asking.sql, "SELECT t.\"%s_id\", json_agg(t.\"%s\" ORDER BY t.\"%s\" COLLATE \"C\") FROM ",
               children->parent_field, children->field, children->field);
    query_add_table(&asking.sql, children->schema);
    buf_add_text(&asking.sql, " t WHERE true");
    asking.params[asking.param_count++] = id_array(children->parents);
    buf_printf(&asking.sql, " AND t.\"%s_id\" = ANY ($1::uuid[]) GROUP BY 1", children->parent_field);
    if (!ask(session, &asking, &result, error))
        return false;
    *lists = cJSON_CreateObject();
    for (int i = 0; i < PQntuples(result); i++)
        (void)cJSON_AddItemToObject(*lists, PQgetvalue(result, i, 0), row_document(result, i, 1));
    PQclear(result);
    return true;
}

bool store_plugin_names(struct store_session *session, cJSON **names, struct store_error *error)
{
    struct asking asking = {0};
    PGresult *result;

    buf_add_text(&asking.sql, "SELECT DISTINCT name FROM plugins ORDER BY name");
    if (!ask(session, &asking, &result, error))
        return false;
    *names = cJSON_CreateArray();
    for (int i = 0; i < PQntuples(result); i++)
        (void)cJSON_AddItemToArray(*names, cJSON_CreateString(PQgetvalue(result, i, 0)));
    PQclear(result);
    return true;
}

bool store_workspaces(struct store_session *session, cJSON **documents, struct store_error *error)
{
    struct asking asking = {0};
    PGresult *result;

    buf_add_text(&asking.sql,
                 "SELECT json_build_object('id', id, 'name', name, 'comment', NULL, 'config', '{}'::json, "
                 "'meta', '{}'::json, 'created_at', created_at, 'updated_at', updated_at) "
                 "FROM workspaces ORDER BY id");
    if (!ask(session, &asking, &result, error))
        return false;
    *documents = cJSON_CreateArray();
    for (int i = 0; i < PQntuples(result); i++)
        (void)cJSON_AddItemToArray(*documents, row_document(result, i, 0));
    PQclear(result);
    return true;
}

bool store_ping(struct store_session *session, struct store_error *error)
{
    struct asking asking = {0};
    PGresult *result;

    buf_add_text(&asking.sql, "SELECT 1");
    if (!ask(session, &asking, &result, error))
        return false;
    PQclear(result);
    return true;
}
