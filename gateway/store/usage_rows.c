/*
 * usage_rows - see usage_rows.h.
 */

#include "gateway/store/usage_rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/json_write.h"
#include "gateway/store/errors.h"
#include "gateway/store/session.h"

#define ROWS                                                                                                 \
    "jsonb_to_recordset($1::jsonb) AS (identifier text, period text, starts bigint, ends bigint, "           \
    "service uuid, route uuid, n bigint)"

/* In the order of the key, so that two nodes do not wait for each other. */
static const char add_sql[] =
    "INSERT INTO ratelimiting_metrics AS m (identifier, period, period_date, service_id, route_id, value, "
    "ttl) "
    "SELECT identifier, period, to_timestamp(starts), service, route, sum(n), to_timestamp(max(ends)) "
    "FROM " ROWS " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 "
    "ON CONFLICT (identifier, period, period_date, service_id, route_id) "
    "DO UPDATE SET value = m.value + excluded.value";

static const char read_sql[] =
    "SELECT coalesce(m.value, 0) FROM ROWS FROM (" ROWS ") WITH ORDINALITY AS r "
    "LEFT JOIN ratelimiting_metrics m ON m.identifier = r.identifier AND m.period = r.period "
    "AND m.period_date = to_timestamp(r.starts) AND m.service_id = r.service AND m.route_id = r.route "
    "ORDER BY r.ordinality";

static const char sweep_sql[] =
    "DELETE FROM ratelimiting_metrics WHERE ctid = ANY (ARRAY(SELECT ctid FROM ratelimiting_metrics "
    "WHERE ttl < now() ORDER BY ttl LIMIT $1::bigint FOR UPDATE SKIP LOCKED))";

static void add_row(struct buf *json, const struct usage *usage)
{
    char id[UUID_TEXT_SIZE];
    size_t object;

    buf_add_byte(json, ',');
    object = json_begin(json);
    buf_add_str(json, JSON_NAME("identifier"));
    json_add_text(json, usage->identity);
    buf_add_str(json, JSON_NAME("period"));
    json_add_text(json, usage->period);
    buf_add_str(json, JSON_NAME("starts"));
    json_add_number(json, usage->starts_s);
    buf_add_str(json, JSON_NAME("ends"));
    json_add_number(json, usage->ends_s);
    buf_add_str(json, JSON_NAME("service"));
    json_add_text(json, str_of(uuid_format(&usage->service, id)));
    buf_add_str(json, JSON_NAME("route"));
    json_add_text(json, str_of(uuid_format(&usage->route, id)));
    buf_add_str(json, JSON_NAME("n"));
    json_add_number(json, (int64_t)usage->count);
    json_end_object(json, object);
}

static void add_rows(struct buf *json, const struct usage *rows, size_t count)
{
    size_t array = json_begin(json);

    for (size_t i = 0; i < count; i++)
        add_row(json, &rows[i]);
    json_end_array(json, array);
}

static uint64_t count_of(const PGresult *result, int row)
{
    struct str text = {PQgetvalue(result, row, 0), (size_t)PQgetlength(result, row, 0)};
    int64_t count;

    return str_to_int(text, &count) && count > 0 ? (uint64_t)count : 0;
}

static bool is_refused(const struct store_session *session, struct err *err)
{
    if (session->refused)
        (void)err_set(err, ERR_UNAVAILABLE, "the store is closing");
    return session->refused;
}

enum usage_rows_outcome usage_rows_exchange(struct store_session *session, const struct usage *adds,
                                            size_t add_count, struct usage *reads, size_t read_count,
                                            struct err *err)
{
    int64_t deadline_ms = session->options->statement_timeout_ms;
    struct buf added = {0}, read = {0};
    struct bus_err bus_err = {0};
    PGresult *results[3] = {NULL};
    enum usage_rows_outcome outcome = USAGE_ROWS_NOT_SENT;

    if (is_refused(session, err))
        return outcome;
    add_rows(&added, adds, add_count);
    add_rows(&read, reads, read_count);
    const char *const add_params[] = {buf_str(&added).at}, *const read_params[] = {buf_str(&read).at};
    const struct pg_statement statements[] = {
        {.sql = "SELECT set_config('synchronous_commit', 'off', true)"},
        {.sql = add_sql, .param_count = 1, .params = add_params},
        {.sql = read_sql, .param_count = 1, .params = read_params},
    };
    if (!pg_session_connect(session->primary, deadline_ms, &bus_err)) {
        (void)err_from_bus(err, &bus_err);
    } else if (!pg_session_run(session->primary, statements, COUNT(statements), results, deadline_ms,
                               &bus_err)) {
        outcome = USAGE_ROWS_UNKNOWN;
        (void)err_from_bus(err, &bus_err);
    } else {
        outcome = USAGE_ROWS_DONE;
        for (size_t i = 0; i < read_count && (int)i < PQntuples(results[2]); i++)
            reads[i].count = count_of(results[2], (int)i);
    }
    for (size_t i = 0; i < COUNT(results); i++)
        PQclear(results[i]);
    buf_fini(&added);
    buf_fini(&read);
    return outcome;
}

size_t usage_rows_sweep(struct store_session *session, size_t most)
{
    char limit[24];
    const char *const params[] = {limit};
    const struct pg_statement statement = {.sql = sweep_sql, .param_count = 1, .params = params};
    PGresult *result = NULL;
    struct bus_err bus_err = {0};
    int64_t removed = 0;

    (void)snprintf(limit, sizeof(limit), "%zu", most);
    if (!session_query(session, &statement, &result, &bus_err))
        return 0;
    if (!str_to_int(str_of(PQcmdTuples(result)), &removed))
        removed = 0;
    PQclear(result);
    return (size_t)removed;
}
