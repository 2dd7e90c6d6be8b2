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

/* A little less: of two timeouts that pass at once, the one that does not name the reason would win. */
static int64_t lock_patience_ms(int64_t append_timeout_ms)
{
    return append_timeout_ms * 9 / 10;
}

/* Text that grows; one array parameter in Postgres's notation. */
struct array {
    char *text;
    size_t length;
    size_t room;
};

static const char lock_sql[] = "SELECT history FROM cluster_head WHERE one FOR UPDATE";

static const char insert_sql[] =
    "INSERT INTO cluster_log (pos, n, tag, at, kind, flags, origin, entity, id, keys) "
    "SELECT p.pos + e.place, e.n, e.tag, clock_timestamp(), e.kind, e.flags, $1::uuid, e.entity, e.id, "
    "e.keys "
    "FROM (SELECT greatest(h.floor_pos, coalesce((SELECT max(pos) FROM cluster_log), 0)) + 1 AS pos "
    "FROM cluster_head h WHERE h.one) p, "
    "unnest($2::integer[], $3::integer[], $4::bigint[], $5::smallint[], $6::smallint[], $7::text[], "
    "$8::uuid[], $9::bytea[]) AS e(place, n, tag, kind, flags, entity, id, keys) "
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

/* In the order of the statement's parameters. */
enum {
    PLACES,
    NUMBERS,
    TAGS,
    KINDS,
    FLAGS,
    ENTITIES,
    IDS,
    KEYS,
    ARRAY_COUNT
};

static void array_add_number(struct array *array, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    array_add_text(array, text);
}

static unsigned all_flags(const struct bus_event *events, size_t count)
{
    unsigned flags = 0;

    for (size_t i = 0; i < count; i++)
        flags |= events[i].flags;
    return flags;
}

static void add_event(struct array arrays[ARRAY_COUNT], const struct bus_event *event)
{
    array_add_number(&arrays[KINDS], (int64_t)event->kind);
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

static void fill_arrays(struct array arrays[ARRAY_COUNT], const struct outbox_append *append)
{
    for (size_t place = 0; place < append->count; place++) {
        const struct outbox_commit *commit = &append->commits[place];
        unsigned flags = all_flags(commit->events, commit->count);

        for (size_t i = 0; i < commit->count; i++) {
            for (size_t a = 0; a < ARRAY_COUNT; a++)
                array_next(&arrays[a]);
            array_add_number(&arrays[PLACES], (int64_t)place);
            array_add_number(&arrays[NUMBERS], (int64_t)i + 1);
            array_add_number(&arrays[TAGS], commit->receipt.tag);
            array_add_number(&arrays[FLAGS], (int64_t)flags);
            add_event(arrays, &commit->events[i]);
        }
    }
    for (size_t a = 0; a < ARRAY_COUNT; a++)
        array_add_text(&arrays[a], "}");
}

/* Positions follow each other without a gap; the first is the smallest that came back. */
static uint64_t first_position(const PGresult *result)
{
    uint64_t first = UINT64_MAX;

    for (int row = 0; row < PQntuples(result); row++) {
        uint64_t position = strtoull(PQgetvalue(result, row, 0), NULL, 10);
        first = position < first ? position : first;
    }
    return first;
}

enum {
    MAX_STATEMENTS = 5,
    LAST_THREE = 3 /* lock, insert, COMMIT */
};

static bool run_append(struct pg_session *session, const struct outbox_append *append,
                       const char *const params[ARRAY_COUNT + 1], uint64_t *first, struct bus_err *err)
{
    struct pg_statement statements[MAX_STATEMENTS];
    PGresult *results[MAX_STATEMENTS];
    char patience[64];
    size_t count = 0;

    (void)snprintf(patience, sizeof(patience), "SET LOCAL lock_timeout = %" PRId64,
                   lock_patience_ms(append->timeout_ms));
    if (append->release_sql != NULL)
        statements[count++] = (struct pg_statement){.sql = append->release_sql};
    statements[count++] = (struct pg_statement){.sql = patience};
    statements[count++] = (struct pg_statement){.sql = lock_sql};
    statements[count++] =
        (struct pg_statement){.sql = insert_sql, .param_count = ARRAY_COUNT + 1, .params = params};
    statements[count++] = (struct pg_statement){.sql = "COMMIT"};
    if (!pg_session_run(session, statements, count, results, append->timeout_ms + ANSWER_GRACE_MS, err))
        return false;
    PGresult *const *last = &results[count - LAST_THREE];
    bool appended =
        PQntuples(last[0]) == 1 && PQntuples(last[1]) > 0 && strcmp(PQcmdStatus(last[2]), "COMMIT") == 0;
    if (appended)
        *first = first_position(last[1]);
    for (size_t i = 0; i < count; i++)
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

/*
 * What became of an append that did not succeed? Leaves no transaction behind. One tag stands for all: they
 * are there together or not at all.
 */
static bool settle(struct pg_session *session, const struct outbox_append *append, uint64_t *position,
                   struct bus_err *err)
{
    size_t commit_at = append->release_sql != NULL ? MAX_STATEMENTS - 1 : MAX_STATEMENTS - 2;
    int64_t limit_ms = append->timeout_ms;
    char tag[32];
    struct bus_err ignored; /* a rollback that fails has dropped the connection, which is as good */

    (void)snprintf(tag, sizeof(tag), "%" PRId64, append->commits[0].receipt.tag);
    if (pg_session_failed_at(session) == SIZE_MAX &&
        (err->code == BUS_ERR_CONNECT || err->code == BUS_ERR_DEADLINE))
        return look_for_commit(session, tag, limit_ms, position, err);
    if (pg_session_is_in_transaction(session) && !pg_session_command(session, "ROLLBACK", limit_ms, &ignored))
        pg_session_drop(session);
    if (err->code == BUS_ERR_CONNECT && pg_session_failed_at(session) == commit_at)
        return look_for_commit(session, tag, limit_ms, position, err);
    return false;
}

void outbox_open(struct outbox_opening *opening, int64_t append_timeout_ms, int64_t lock_timeout_ms)
{
    int64_t patience_ms = lock_patience_ms(append_timeout_ms);

    *opening = (struct outbox_opening){
        .statements = {{.sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"},
                       {.sql = settings_sql, .param_count = 2, .params = opening->params}},
        .params = {opening->timeout, opening->lock_timeout},
    };
    (void)snprintf(opening->timeout, sizeof(opening->timeout), "%" PRId64 "ms", append_timeout_ms);
    (void)snprintf(opening->lock_timeout, sizeof(opening->lock_timeout), "%" PRId64 "ms",
                   lock_timeout_ms < patience_ms ? lock_timeout_ms : patience_ms);
}

bool outbox_begin(struct pg_session *session, int64_t append_timeout_ms, struct bus_err *err)
{
    struct outbox_opening opening;
    PGresult *results[2];

    outbox_open(&opening, append_timeout_ms, append_timeout_ms);
    if (!pg_session_run(session, opening.statements, 2, results, append_timeout_ms + ANSWER_GRACE_MS, err)) {
        if (pg_session_is_in_transaction(session))
            pg_session_drop(session);
        return false;
    }
    PQclear(results[0]);
    PQclear(results[1]);
    return true;
}

bool outbox_append(struct pg_session *session, const struct outbox_append *append, struct bus_err *err)
{
    struct array arrays[ARRAY_COUNT] = {0};
    const char *params[ARRAY_COUNT + 1];
    struct array node = {0};
    uint64_t first = 0;
    bool done;

    assert(append->count > 0);
    /* Else the lock and the events would be a transaction of their own: an event without its change. */
    if (!pg_session_is_in_transaction(session))
        return bus_err_set(err, BUS_ERR_CONNECT, "the connection broke before COMMIT; nothing has changed");
    for (size_t i = 0; i < append->count; i++) {
        assert(append->commits[i].count > 0);
        machine_random(&append->commits[i].receipt.tag, sizeof(append->commits[i].receipt.tag));
    }
    fill_arrays(arrays, append);
    array_add_hex(&node, append->origin, 16);
    params[0] = node.text;
    for (size_t a = 0; a < ARRAY_COUNT; a++)
        params[a + 1] = arrays[a].text;
    done = run_append(session, append, params, &first, err) || settle(session, append, &first, err);
    for (size_t a = 0; a < ARRAY_COUNT; a++)
        free(arrays[a].text);
    free(node.text);
    for (size_t i = 0; done && i < append->count; i++)
        append->commits[i].receipt.position = first + i;
    return done;
}

bool outbox_commit(struct pg_session *session, const struct bus_event *events, size_t count,
                   const uint8_t origin[16], int64_t append_timeout_ms, struct outbox_receipt *receipt,
                   struct bus_err *err)
{
    struct outbox_commit commit = {.events = events, .count = count};
    const struct outbox_append append = {
        .commits = &commit, .count = 1, .origin = origin, .timeout_ms = append_timeout_ms};

    if (!outbox_append(session, &append, err))
        return false;
    *receipt = commit.receipt;
    return true;
}
