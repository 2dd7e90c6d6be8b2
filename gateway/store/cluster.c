/* cluster - see cluster.h. The answers are made as JSON by Postgres: nobody here looks into them. */

#include "gateway/store/cluster.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/store/errors.h"
#include "gateway/store/session.h"

enum {
    CHANGES_SHOWN = 100, /* of one commit */
};

/* clang-format off */

/* Nodes with what is known of each for certain: `applied` is NULL or a commit of this log. */
#define NODES                                                                                                 \
    "SELECT n.*, CASE WHEN l.tag = n.applied_tag THEN n.applied_pos END AS applied, "                         \
    "n.seen_at > clock_timestamp() - n.lease_ms * interval '1 millisecond' AS counts "                        \
    "FROM cluster_node n LEFT JOIN cluster_log l ON l.pos = n.applied_pos AND l.n = 1"
#define HEAD "(SELECT max(pos) FROM cluster_log)"

static const char position_sql[] =
    "WITH node AS (" NODES ") SELECT json_build_object('history', h.history, 'head', " HEAD ", "
    "'floor', h.floor_pos, 'nodes', (SELECT count(*) FROM node WHERE counts), "
    "'applied_everywhere', (SELECT min(coalesce(applied, 0)) FROM node WHERE counts)) FROM cluster_head h";

static const char nodes_sql[] =
    "WITH node AS (" NODES ") SELECT coalesce(json_agg(json_build_object("
    "'id', n.node_id, 'name', n.name, 'version', n.version, "
    "'state', CASE WHEN NOT n.counts THEN 'gone' WHEN n.state = 1 THEN 'joining' WHEN n.state = 2 THEN 'live' "
    "ELSE 'draining' END, "
    "'position', n.applied_pos, 'history', CASE WHEN n.applied_pos IS NULL THEN NULL "
    "WHEN n.applied IS NOT NULL THEN 'this' "
    "WHEN n.applied_pos <= (SELECT floor_pos FROM cluster_head) THEN 'trimmed' ELSE 'another' END, "
    "'lag', json_build_object('events', CASE WHEN n.applied_pos IS NOT NULL THEN greatest(" HEAD " - n.applied_pos, 0) END, "
    "'seconds', round(extract(epoch FROM coalesce(clock_timestamp() - "
    "(SELECT l.at FROM cluster_log l WHERE l.pos > n.applied_pos ORDER BY l.pos, l.n LIMIT 1), interval '0')), 3)), "
    "'mode', n.info->>'mode', 'channel', n.info->>'channel', "
    "'seen', round(extract(epoch FROM n.seen_at), 3), "
    "'silent_seconds', round(extract(epoch FROM clock_timestamp() - n.seen_at), 3), "
    "'lease_seconds', n.lease_ms / 1000.0, 'boot_id', n.boot_id) ORDER BY n.name, n.node_id), '[]') FROM node n";

/* Of one group of rows `e` of the log, a commit. */
#define COMMIT_MEMBERS                                                                                        \
    "'position', e.pos, 'at', round(extract(epoch FROM min(e.at)), 3), "                                      \
    "'by', json_build_object('id', min(e.origin::text), "                                                     \
    "'name', (SELECT o.name FROM cluster_node o WHERE o.node_id = min(e.origin::text)::uuid)), "              \
    "'change_count', max(e.n), 'changes', json_agg(json_build_object('kind', "                                \
    "(ARRAY['row', 'entity', 'everything', 'word'])[e.kind], 'entity', e.entity, 'id', e.id) ORDER BY e.n) "  \
    "FILTER (WHERE e.n <= $1::integer), "                                                                     \
    "'nodes', (SELECT count(*) FROM node WHERE counts), "                                                     \
    "'applied_by', (SELECT count(*) FROM node WHERE counts AND applied >= e.pos)"

/* Positions have no gaps, so a page is a range of them. */
static const char events_sql[] =
    "WITH node AS (" NODES "), upper AS (SELECT least($2::bigint, " HEAD " + 1) AS pos) "
    "SELECT json_build_object(" COMMIT_MEMBERS ") FROM cluster_log e "
    "WHERE e.pos < (SELECT pos FROM upper) AND e.pos >= (SELECT pos FROM upper) - $3::bigint "
    "GROUP BY e.pos ORDER BY e.pos DESC";

#define WHO "json_build_object('id', n.node_id, 'name', n.name, 'position', n.applied_pos)"

static const char commit_sql[] =
    "WITH node AS (" NODES ") SELECT json_build_object(" COMMIT_MEMBERS ", "
    "'live_on', (SELECT coalesce(json_agg(" WHO " ORDER BY n.name, n.node_id), '[]') FROM node n "
    "WHERE n.counts AND n.applied >= e.pos), "
    "'waiting_for', (SELECT coalesce(json_agg(" WHO " ORDER BY n.name, n.node_id), '[]') FROM node n "
    "WHERE n.counts AND coalesce(n.applied, 0) < e.pos)) FROM cluster_log e WHERE e.pos = $2::bigint GROUP BY e.pos";

static const char laggards_sql[] =
    "WITH node AS (" NODES ") SELECT coalesce(json_agg(" WHO " ORDER BY n.name, n.node_id), '[]') FROM node n "
    "WHERE n.counts AND coalesce(n.applied, 0) < $1::bigint";

static const char arrivals_sql[] =
    "WITH node AS (" NODES "), low AS (SELECT min(coalesce(applied, 0)) AS pos FROM node WHERE counts) "
    "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM cluster_log l WHERE l.pos = w.pos AND l.n = 1 AND l.tag = w.tag) "
    "THEN 2 WHEN low.pos IS NULL OR w.pos <= low.pos THEN 1 ELSE 0 END "
    "FROM low, unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS w(pos, tag, place) ORDER BY w.place";

/* clang-format on */

/* The value in the only row; NULL if there is none. */
static bool ask_one(struct store_session *session, const struct pg_statement *statement, cJSON **value,
                    struct store_error *error)
{
    struct bus_err err;
    PGresult *result;

    if (!session_query(session, statement, &result, &err))
        return store_error_from(error, &err);
    *value = PQntuples(result) == 1 ? row_document(result, 0, 0) : NULL;
    PQclear(result);
    return true;
}

bool store_cluster_position(struct store_session *session, cJSON **object, struct store_error *error)
{
    return ask_one(session, &(struct pg_statement){.sql = position_sql}, object, error);
}

bool store_cluster_nodes(struct store_session *session, cJSON **nodes, struct store_error *error)
{
    return ask_one(session, &(struct pg_statement){.sql = nodes_sql}, nodes, error);
}

bool store_cluster_events(struct store_session *session, uint64_t before, int size, cJSON **commits,
                          struct store_error *error)
{
    char shown[12], upper[24], count[12];
    const char *const params[] = {shown, upper, count};
    struct bus_err err;
    PGresult *result;

    (void)snprintf(shown, sizeof(shown), "%d", (int)CHANGES_SHOWN);
    (void)snprintf(upper, sizeof(upper), "%" PRId64, before > 0 ? (int64_t)before : INT64_MAX);
    (void)snprintf(count, sizeof(count), "%d", size);
    if (!session_query(session, &(struct pg_statement){.sql = events_sql, .param_count = 3, .params = params},
                       &result, &err))
        return store_error_from(error, &err);
    *commits = cJSON_CreateArray();
    for (int row = 0; row < PQntuples(result); row++)
        (void)cJSON_AddItemToArray(*commits, row_document(result, row, 0));
    PQclear(result);
    return true;
}

bool store_cluster_commit(struct store_session *session, uint64_t position, cJSON **commit,
                          struct store_error *error)
{
    char shown[12], at[24];
    const char *const params[] = {shown, at};

    (void)snprintf(shown, sizeof(shown), "%d", (int)CHANGES_SHOWN);
    (void)snprintf(at, sizeof(at), "%" PRIu64, position);
    return ask_one(session, &(struct pg_statement){.sql = commit_sql, .param_count = 2, .params = params},
                   commit, error);
}

bool store_cluster_laggards(struct store_session *session, uint64_t position, cJSON **nodes,
                            struct store_error *error)
{
    char at[24];
    const char *const params[] = {at};

    (void)snprintf(at, sizeof(at), "%" PRIu64, position);
    return ask_one(session, &(struct pg_statement){.sql = laggards_sql, .param_count = 1, .params = params},
                   nodes, error);
}

bool store_cluster_arrivals(struct store_session *session, const struct outbox_receipt *receipts,
                            size_t count, enum store_arrival *arrivals, struct store_error *error)
{
    struct buf positions = {0}, tags = {0};
    struct bus_err err;
    PGresult *result;

    for (size_t i = 0; i < count; i++) {
        buf_printf(&positions, "%c%" PRIu64, i == 0 ? '{' : ',', receipts[i].position);
        buf_printf(&tags, "%c%" PRId64, i == 0 ? '{' : ',', receipts[i].tag);
    }
    buf_add_text(&positions, "}");
    buf_add_text(&tags, "}");
    const char *const params[] = {positions.at, tags.at};
    bool ok = session_query(session,
                            &(struct pg_statement){.sql = arrivals_sql, .param_count = 2, .params = params},
                            &result, &err);
    buf_fini(&positions);
    buf_fini(&tags);
    if (!ok)
        return store_error_from(error, &err);
    for (int i = 0; i < (int)count; i++)
        arrivals[i] = i < PQntuples(result) ? (enum store_arrival)(PQgetvalue(result, i, 0)[0] - '0')
                                            : STORE_ON_ITS_WAY;
    PQclear(result);
    return true;
}

bool store_fork(struct store_session *session, char **history, struct store_error *error)
{
    static const char sql[] =
        "WITH gone AS (DELETE FROM cluster_node) UPDATE cluster_head SET history = gen_random_uuid() "
        "RETURNING history";
    struct bus_err err;
    PGresult *result;

    if (!session_query(session, &(struct pg_statement){.sql = sql}, &result, &err))
        return store_error_from(error, &err);
    *history = PQntuples(result) == 1 ? mem_strdup(PQgetvalue(result, 0, 0)) : NULL;
    PQclear(result);
    return true;
}

bool store_touch(struct store_session *session, const char *entity, const struct uuid *id,
                 struct outbox_receipt *receipt, struct store_error *error)
{
    struct bus_event event = {.kind = BUS_EVENT_EVERYTHING};

    if (entity != NULL) {
        event.kind = id != NULL ? BUS_EVENT_ROW : BUS_EVENT_ENTITY;
        (void)snprintf(event.entity, sizeof(event.entity), "%s", entity);
    }
    if (id != NULL) {
        event.has_id = true;
        memcpy(event.id, id->bytes, sizeof(event.id));
    }
    return session_append(session, &event, receipt, error);
}
