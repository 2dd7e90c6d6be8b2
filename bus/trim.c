/* Retention in two kinds of small transactions (consistency reference, 10). Each is short, so that a poll can
 * wait. */

#include "bus/trim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The append lock is taken only if there is something to move, and not waited for: while an append holds it,
 * the round is skipped. A day after its last sign of life nobody asks any more what became of a node.
 */
static const char floor_sql[] =
    "WITH old AS MATERIALIZED (SELECT max(pos) AS pos FROM cluster_log WHERE at < clock_timestamp() - "
    "$1::interval "
    "AND pos < (SELECT max(pos) FROM cluster_log)), "
    "free AS (SELECT h.one FROM cluster_head h, old WHERE h.one AND old.pos > h.floor_pos "
    "FOR UPDATE OF h SKIP LOCKED), "
    "gone AS (DELETE FROM cluster_node "
    "WHERE seen_at < clock_timestamp() - interval '1 day' - lease_ms * interval '1 millisecond') "
    "UPDATE cluster_head h SET floor_pos = old.pos FROM old, free WHERE h.one = free.one AND old.pos > "
    "h.floor_pos";

static const char delete_sql[] =
    "DELETE FROM cluster_log WHERE (pos, n) IN (SELECT pos, n FROM cluster_log "
    "WHERE pos <= (SELECT floor_pos FROM cluster_head) ORDER BY pos LIMIT 1000 FOR UPDATE SKIP LOCKED)";

static bool run_and_count(struct pg_session *session, const struct pg_statement *statement,
                          int64_t deadline_ms, uint64_t *count, struct bus_err *err)
{
    PGresult *result;

    if (!pg_session_run(session, statement, 1, &result, deadline_ms, err))
        return false;
    *count = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return true;
}

bool trim_move_floor(struct pg_session *session, int64_t retention_ms, int64_t deadline_ms, bool *moved,
                     struct bus_err *err)
{
    char retention[40];
    const char *const params[1] = {retention};
    const struct pg_statement statement = {.sql = floor_sql, .param_count = 1, .params = params};
    uint64_t count;

    (void)snprintf(retention, sizeof(retention), "%" PRId64 " milliseconds", retention_ms);
    if (!run_and_count(session, &statement, deadline_ms, &count, err))
        return false;
    *moved = count > 0;
    return true;
}

bool trim_delete(struct pg_session *session, int64_t deadline_ms, uint64_t *deleted, struct bus_err *err)
{
    return run_and_count(session, &(struct pg_statement){.sql = delete_sql}, deadline_ms, deleted, err);
}
