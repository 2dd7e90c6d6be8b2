/* Retention in two kinds of small transactions (consistency reference, 10). Each is short, so that a poll can
 * wait. */

#include "bus/trim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char floor_sql[] =
    "UPDATE cluster_head h SET floor_pos = x.p FROM (SELECT max(pos) AS p FROM cluster_log "
    "WHERE at < clock_timestamp() - $1::interval AND pos < (SELECT max(pos) FROM cluster_log)) x "
    "WHERE h.one AND x.p > h.floor_pos";

static const char delete_sql[] =
    "DELETE FROM cluster_log WHERE (pos, n) IN (SELECT pos, n FROM cluster_log "
    "WHERE pos <= (SELECT floor_pos FROM cluster_head) ORDER BY pos LIMIT 1000 FOR UPDATE SKIP LOCKED)";

/* A day after its last sign of life nobody asks any more what became of a node. */
static const char nodes_sql[] = "DELETE FROM cluster_node WHERE seen_at < clock_timestamp() - interval '1 "
                                "day' - lease_ms * interval '1 millisecond'";

bool trim_move_floor(struct pg_session *session, int64_t retention_ms, int64_t deadline_ms,
                     struct bus_err *err)
{
    char retention[40];
    const char *const params[1] = {retention};
    const struct pg_statement statements[5] = {
        {.sql = "BEGIN"},
        {.sql = "SET LOCAL lock_timeout = '100ms'"},
        {.sql = floor_sql, .param_count = 1, .params = params},
        {.sql = nodes_sql},
        {.sql = "COMMIT"},
    };
    PGresult *results[5];
    struct bus_err ignored; /* the first reason is the one to tell */

    (void)snprintf(retention, sizeof(retention), "%" PRId64 " milliseconds", retention_ms);
    if (!pg_session_run(session, statements, 5, results, deadline_ms, err)) {
        if (pg_session_is_in_transaction(session) &&
            !pg_session_command(session, "ROLLBACK", deadline_ms, &ignored))
            pg_session_drop(session);
        return false;
    }
    for (size_t i = 0; i < 5; i++)
        PQclear(results[i]);
    return true;
}

bool trim_delete(struct pg_session *session, int64_t deadline_ms, uint64_t *deleted, struct bus_err *err)
{
    const struct pg_statement statement = {.sql = delete_sql};
    PGresult *result;

    if (!pg_session_run(session, &statement, 1, &result, deadline_ms, err))
        return false;
    *deleted = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return true;
}
