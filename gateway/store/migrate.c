/*
 * migrate - brings a database from whatever it is to what this program needs.
 *
 * All pending steps run in one transaction, so a migration is there as a whole or not at all. A lock of that
 * transaction, named after the schema, lets one node migrate; it needs no table, so it also covers the first
 * time. A step is sent as one DO block, which makes a text of many statements one statement of the extended
 * protocol.
 */

#include "gateway/store/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/store/errors.h"
#include "gateway/store/migrations.h"

enum {
    CHECK_TIMEOUT_MS = 5000,
    KNOWN_LOG_FORMAT = 1, /* cluster_head.format this program understands */
};

static const char create_record[] = "CREATE TABLE freshet_migrations (name text PRIMARY KEY,"
                                    " executed_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
                                    " program text NOT NULL)";

static const char lock[] =
    "SELECT pg_advisory_xact_lock(hashtext('freshet migrations'), hashtext(current_schema()::text))";

/* What the database says it has. */
struct recorded {
    bool exists;     /* there is a record at all */
    PGresult *names; /* NULL unless it exists */
    int64_t log_format;
};

/* Where to run statements, and how long each may take. */
struct runner {
    struct pg_session *session;
    int64_t deadline_ms;
};

/* param NULL: the statement has none. result NULL: nobody needs it. */
static bool run(struct runner to, const char *sql, const char *param, PGresult **result, struct err *err)
{
    const struct pg_statement statement = {
        .sql = sql, .param_count = param != NULL ? 1 : 0, .params = &param};
    struct bus_err bus_err;
    PGresult *mine = NULL;

    if (!pg_session_run(to.session, &statement, 1, &mine, to.deadline_ms, &bus_err))
        return err_from_bus(err, &bus_err);
    if (result != NULL)
        *result = mine;
    else
        PQclear(mine);
    return true;
}

static bool read_recorded(struct runner to, struct recorded *recorded, struct err *err)
{
    PGresult *result = NULL;

    *recorded = (struct recorded){.log_format = KNOWN_LOG_FORMAT};
    if (!run(to, "SELECT to_regclass(quote_ident(current_schema()) || '.freshet_migrations') IS NOT NULL",
             NULL, &result, err))
        return false;
    recorded->exists = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    if (!recorded->exists)
        return true;
    if (!run(to, "SELECT name FROM freshet_migrations ORDER BY name", NULL, &recorded->names, err))
        return false;
    if (PQntuples(recorded->names) == 0)
        return true;
    if (!run(to, "SELECT format FROM cluster_head", NULL, &result, err)) {
        PQclear(recorded->names);
        return false;
    }
    if (PQntuples(result) == 1)
        recorded->log_format = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return true;
}

static bool is_recorded(const struct recorded *recorded, const char *name)
{
    for (int i = 0; i < PQntuples(recorded->names); i++)
        if (strcmp(PQgetvalue(recorded->names, i, 0), name) == 0)
            return true;
    return false;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < migration_count; i++)
        if (strcmp(migrations[i].name, name) == 0)
            return true;
    return false;
}

static enum migrate_state state_of(const struct recorded *recorded)
{
    if (!recorded->exists || PQntuples(recorded->names) == 0)
        return MIGRATE_EMPTY;
    if (recorded->log_format > KNOWN_LOG_FORMAT)
        return MIGRATE_AHEAD;
    for (int i = 0; i < PQntuples(recorded->names); i++)
        if (!is_known(PQgetvalue(recorded->names, i, 0)))
            return MIGRATE_AHEAD;
    for (size_t i = 0; i < migration_count; i++)
        if (!is_recorded(recorded, migrations[i].name))
            return MIGRATE_BEHIND;
    return MIGRATE_CURRENT;
}

/* BEGIN and the lock. */
static bool begin(struct runner to, const struct migrate_options *options, struct err *err)
{
    char *timeout = mem_printf("SET LOCAL lock_timeout = %" PRId64, options->lock_timeout_ms);
    bool ok = run(to, "BEGIN", NULL, NULL, err) &&
              run(to, "SET LOCAL client_min_messages = warning", NULL, NULL, err) &&
              run(to, timeout, NULL, NULL, err);

    free(timeout);
    if (!ok)
        return false;
    to.deadline_ms += options->lock_timeout_ms;
    if (!run(to, lock, NULL, NULL, err))
        return err_wrap(err, "wait for another node's migration");
    return true;
}

static bool run_step(struct runner to, const struct migration *step, struct err *err)
{
    char *block = mem_printf("DO $migration$ BEGIN\n%s\nEND $migration$", step->sql);
    bool ok = run(to, block, NULL, NULL, err) &&
              run(to, "INSERT INTO freshet_migrations (name, program) VALUES ($1, '" FRESHET_VERSION "')",
                  step->name, NULL, err);

    free(block);
    return ok || err_wrap(err, "migration %s", step->name);
}

static bool run_reset(struct runner to, struct err *err)
{
    char *block = mem_printf("DO $migration$ BEGIN\n%s\nEND $migration$", migrations_reset);
    bool ok = run(to, block, NULL, NULL, err);

    free(block);
    return ok;
}

static bool run_pending(struct runner to, const struct recorded *recorded, struct err *err)
{
    for (size_t i = 0; i < migration_count; i++) {
        if (recorded != NULL && is_recorded(recorded, migrations[i].name))
            continue;
        if (!run_step(to, &migrations[i], err))
            return false;
    }
    return true;
}

enum action {
    BOOTSTRAP,
    BOOTSTRAP_ANEW,
    UP,
    RESET
};

/* Under the lock: decides from what is there, and acts. */
static bool act(struct runner to, enum action action, bool *changed, struct err *err)
{
    struct recorded recorded;

    *changed = false;
    if (!read_recorded(to, &recorded, err))
        return false;
    enum migrate_state state = state_of(&recorded);
    bool ok = true;
    if (action == UP && state == MIGRATE_EMPTY) {
        ok = err_set(err, ERR_INVALID, "the database is empty: it has to be bootstrapped first");
    } else if (action == UP && state == MIGRATE_AHEAD) {
        ok = err_set(err, ERR_VERSION, "the database was made by a newer version");
    } else if (action == UP && state == MIGRATE_BEHIND) {
        *changed = true;
        ok = run_pending(to, &recorded, err);
    } else if (action == RESET && recorded.exists) {
        *changed = true;
        ok = run_reset(to, err);
    } else if (action == BOOTSTRAP_ANEW || (action == BOOTSTRAP && state == MIGRATE_EMPTY)) {
        *changed = true;
        ok = run_reset(to, err) && run(to, create_record, NULL, NULL, err) && run_pending(to, NULL, err);
    }
    PQclear(recorded.names);
    return ok;
}

static bool migrate(struct pg_session *session, const struct migrate_options *options, enum action action,
                    bool *changed, struct err *err)
{
    struct runner to = {session, options->db_timeout_ms};
    struct bus_err ignored;
    bool acted = false;
    bool ok = begin(to, options, err) && act(to, action, &acted, err) && run(to, "COMMIT", NULL, NULL, err);

    if (ok) {
        *changed = acted;
        return true;
    }
    /* A connection that cannot even roll back takes its transaction with it. */
    if (pg_session_is_connected(session) &&
        !pg_session_command(session, "ROLLBACK", options->db_timeout_ms, &ignored))
        pg_session_drop(session);
    return false;
}

bool migrate_check(struct pg_session *session, enum migrate_state *state, struct err *err)
{
    struct recorded recorded;

    if (!read_recorded((struct runner){session, CHECK_TIMEOUT_MS}, &recorded, err))
        return false;
    *state = state_of(&recorded);
    PQclear(recorded.names);
    return true;
}

bool migrate_bootstrap(struct pg_session *session, const struct migrate_options *options, bool force,
                       bool *changed, struct err *err)
{
    return migrate(session, options, force ? BOOTSTRAP_ANEW : BOOTSTRAP, changed, err);
}

bool migrate_up(struct pg_session *session, const struct migrate_options *options, bool *changed,
                struct err *err)
{
    return migrate(session, options, UP, changed, err);
}

bool migrate_reset(struct pg_session *session, const struct migrate_options *options, bool *changed,
                   struct err *err)
{
    return migrate(session, options, RESET, changed, err);
}

bool migrate_list(struct pg_session *session, void (*step)(void *arg, const char *name, bool executed),
                  void *arg, struct err *err)
{
    struct recorded recorded;

    if (!read_recorded((struct runner){session, CHECK_TIMEOUT_MS}, &recorded, err))
        return false;
    for (size_t i = 0; i < migration_count; i++)
        step(arg, migrations[i].name, is_recorded(&recorded, migrations[i].name));
    for (int i = 0; i < PQntuples(recorded.names); i++)
        if (!is_known(PQgetvalue(recorded.names, i, 0)))
            step(arg, PQgetvalue(recorded.names, i, 0), true);
    PQclear(recorded.names);
    return true;
}
