/*
 * Appending to the log (consistency reference, 3.3).
 *
 * The row lock on cluster_head makes appends queue, so that positions are given out in the order of commits.
 * Lock and INSERT are two statements because READ COMMITTED takes a snapshot per statement: the INSERT then
 * sees the commit for which the lock was waiting. The three statements travel together; the lock is held for
 * one WAL flush.
 *
 * When the answer to COMMIT is lost, the log itself says what happened: the tag is there, or it is not (yet).
 */

#include "bus/outbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/machine.h"

enum {
    ANSWER_GRACE_MS = 1000, /* beyond the server's own timeouts, so that the server gives the reason */
    LOOK_AGAIN_MS = 50,
};

/* Text that grows; one array parameter in Postgres's notation. */
struct array {
    char *text;
    size_t length;
    size_t room;
};

static const char lock_sql[] = "SELECT history FROM cluster_head WHERE one FOR UPDATE";

static const char insert_sql[] =
    "INSERT INTO cluster_log (pos, n, tag, at, kind, flags, origin, entity, id, keys) "
    "SELECT p.pos, e.n, $1::bigint, clock_timestamp(), e.kind, $2::smallint, $3::uuid, e.entity, e.id, "
    "e.keys "
    "FROM (SELECT greatest(h.floor_pos, coalesce((SELECT max(pos) FROM cluster_log), 0)) + 1 AS pos "
    "FROM cluster_head h WHERE h.one) p, "
    "unnest($4::smallint[], $5::text[], $6::uuid[], $7::bytea[]) WITH ORDINALITY AS e(kind, entity, id, "
    "keys, n) "
    "RETURNING pos";

/* Newest first: the tag is at the end of the log if it is anywhere. */
static const char look_sql[] =
    "SELECT pos FROM cluster_log WHERE tag = $1::bigint ORDER BY pos DESC, n DESC LIMIT 1";

/* "on" at least: a position that is visible before it is durable would be given out twice after a crash. */
static const char settings_sql[] =
    "SELECT set_config('lock_timeout', $2, true), set_config('statement_timeout', $1, true), "
    "set_config('idle_in_transaction_session_timeout', $1, true), "
    "CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN 'on' "
    "ELSE set_config('synchronous_commit', 'on', true) END";

static void array_add(struct array *array, const char *bytes, size_t length)
{
    if (array->length + length + 1 > array->room) {
        array->room = (array->length + length + 1) * 2;
        array->text = machine_grow(array->text, array->room);
    }
    memcpy(array->text + array->length, bytes, length);
    array->length += length;
    array->text[array->length] = '\0';
}

static void array_add_text(struct array *array, const char *text)
{
    array_add(array, text, strlen(text));
}

/* '{' before the first element, ',' before the others. */
static void array_next(struct array *array)
{
    array_add_text(array, array->length == 0 ? "{" : ",");
}

static void array_add_hex(struct array *array, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        const char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

        array_add(array, pair, sizeof(pair));
    }
}

static void array_add_quoted(struct array *array, const char *text)
{
    array_add_text(array, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            array_add_text(array, "\\");
        array_add(array, c, 1);
    }
    array_add_text(array, "\"");
}

enum {
    KINDS,
    ENTITIES,
    IDS,
    KEYS,
    ARRAY_COUNT
};

static void fill_arrays(struct array arrays[ARRAY_COUNT], const struct bus_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct bus_event *event = &events[i];
        char kind[16];

        for (size_t a = 0; a < ARRAY_COUNT; a++)
            array_next(&arrays[a]);
        (void)snprintf(kind, sizeof(kind), "%d", (int)event->kind);
        array_add_text(&arrays[KINDS], kind);
        if (event->entity[0] != '\0')
            array_add_quoted(&arrays[ENTITIES], event->entity);
        else
            array_add_text(&arrays[ENTITIES], "NULL");
        if (event->has_id)
            array_add_hex(&arrays[IDS], event->id, sizeof(event->id));
        else
            array_add_text(&arrays[IDS], "NULL");
        array_add_text(&arrays[KEYS], "\"\\\\x");
        for (size_t k = 0; k < event->key_count; k++)
            array_add_hex(&arrays[KEYS], event->keys[k], sizeof(event->keys[k]));
        array_add_text(&arrays[KEYS], "\"");
    }
    for (size_t a = 0; a < ARRAY_COUNT; a++)
        array_add_text(&arrays[a], "}");
}

static unsigned all_flags(const struct bus_event *events, size_t count)
{
    unsigned flags = 0;

    for (size_t i = 0; i < count; i++)
        flags |= events[i].flags;
    return flags;
}

static bool run_append(struct pg_session *session, const char *const params[7], int64_t deadline_ms,
                       uint64_t *position, struct bus_err *err)
{
    const struct pg_statement statements[3] = {
        {.sql = lock_sql},
        {.sql = insert_sql, .param_count = 7, .params = params},
        {.sql = "COMMIT"},
    };
    PGresult *results[3];
    bool appended;

    if (!pg_session_run(session, statements, 3, results, deadline_ms, err))
        return false;
    appended = PQntuples(results[0]) == 1 && PQntuples(results[1]) > 0 &&
               strcmp(PQcmdStatus(results[2]), "COMMIT") == 0;
    if (appended)
        *position = strtoull(PQgetvalue(results[1], 0, 0), NULL, 10);
    for (size_t i = 0; i < 3; i++)
        PQclear(results[i]);
    if (!appended)
        return bus_err_set(err, BUS_ERR_INVALID, "cluster_head has no row: this is not a migrated database");
    return true;
}

/* true: *position is where the tag stands, 0 if it is not there. */
static bool look_once(struct pg_session *session, const char *tag, int64_t deadline_ms, uint64_t *position)
{
    const char *const params[1] = {tag};
    const struct pg_statement statement = {.sql = look_sql, .param_count = 1, .params = params};
    struct bus_err ignored; /* who looks for a lost answer tries until time is up, whatever the reason */
    PGresult *result;

    if (!pg_session_run(session, &statement, 1, &result, deadline_ms, &ignored))
        return false;
    *position = PQntuples(result) == 1 ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return true;
}

/*
 * Not finding the tag proves nothing, since the old session may still be at it; so this looks again until
 * time is up. Finding it proves everything.
 */
static bool look_for_commit(struct pg_session *session, const char *tag, int64_t limit_ms, uint64_t *position,
                            struct bus_err *err)
{
    int64_t until_us = machine_now_us() + limit_ms * 1000;
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};

    do {
        int64_t left_ms = (until_us - machine_now_us()) / 1000 + 1;

        if (look_once(session, tag, left_ms, position) && *position != 0)
            return true;
        (void)nanosleep(&pause, NULL); /* cut short by a signal: one look more */
    } while (machine_now_us() < until_us);
    return bus_err_set(err, BUS_ERR_UNKNOWN_OUTCOME,
                       "the answer to COMMIT was lost: the change may be in force or not");
}

/* What became of an append that did not succeed? Leaves no transaction behind. */
static bool settle(struct pg_session *session, const char *tag, int64_t limit_ms, uint64_t *position,
                   struct bus_err *err)
{
    struct bus_err ignored; /* a rollback that fails has dropped the connection, which is as good */

    if (pg_session_failed_at(session) == SIZE_MAX &&
        (err->code == BUS_ERR_CONNECT || err->code == BUS_ERR_DEADLINE))
        return look_for_commit(session, tag, limit_ms, position, err);
    if (pg_session_is_in_transaction(session) && !pg_session_command(session, "ROLLBACK", limit_ms, &ignored))
        pg_session_drop(session);
    if (err->code == BUS_ERR_CONNECT && pg_session_failed_at(session) == 2)
        return look_for_commit(session, tag, limit_ms, position, err);
    return false;
}

bool outbox_begin(struct pg_session *session, int64_t append_timeout_ms, struct bus_err *err)
{
    char timeout[32], lock_timeout[32];
    const char *const params[2] = {timeout, lock_timeout};
    const struct pg_statement statements[2] = {
        {.sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"},
        {.sql = settings_sql, .param_count = 2, .params = params},
    };
    PGresult *results[2];

    (void)snprintf(timeout, sizeof(timeout), "%" PRId64 "ms", append_timeout_ms);
    /* A little less: of two timeouts that pass at once, the one that does not name the reason would win. */
    (void)snprintf(lock_timeout, sizeof(lock_timeout), "%" PRId64 "ms", append_timeout_ms * 9 / 10);
    if (!pg_session_run(session, statements, 2, results, append_timeout_ms + ANSWER_GRACE_MS, err)) {
        if (pg_session_is_in_transaction(session))
            pg_session_drop(session);
        return false;
    }
    PQclear(results[0]);
    PQclear(results[1]);
    return true;
}

bool outbox_commit(struct pg_session *session, const struct bus_event *events, size_t count,
                   const uint8_t origin[16], int64_t append_timeout_ms, struct outbox_receipt *receipt,
                   struct bus_err *err)
{
    struct array arrays[ARRAY_COUNT] = {0};
    struct array node = {0};
    char tag_text[32], flags[16];
    uint64_t position = 0;
    int64_t tag;
    bool done;

    assert(count > 0);
    /* Else the lock and the events would be a transaction of their own: an event without its change. */
    if (!pg_session_is_in_transaction(session))
        return bus_err_set(err, BUS_ERR_CONNECT, "the connection broke before COMMIT; nothing has changed");
    machine_random(&tag, sizeof(tag));
    (void)snprintf(tag_text, sizeof(tag_text), "%" PRId64, tag);
    (void)snprintf(flags, sizeof(flags), "%u", all_flags(events, count));
    array_add_hex(&node, origin, 16);
    fill_arrays(arrays, events, count);

    const char *const params[7] = {
        tag_text,         flags, node.text, arrays[KINDS].text, arrays[ENTITIES].text, arrays[IDS].text,
        arrays[KEYS].text};

    done = run_append(session, params, append_timeout_ms + ANSWER_GRACE_MS, &position, err) ||
           settle(session, tag_text, append_timeout_ms, &position, err);
    for (size_t a = 0; a < ARRAY_COUNT; a++)
        free(arrays[a].text);
    free(node.text);
    if (done)
        *receipt = (struct outbox_receipt){.position = position, .tag = tag};
    return done;
}
