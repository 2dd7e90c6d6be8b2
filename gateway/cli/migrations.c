/*
 * migrations - the database's schema from the command line. The steps themselves are gateway/store's.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "gateway/base/clock.h"
#include "gateway/cli/command.h"
#include "gateway/cli/database.h"
#include "gateway/config/config.h"
#include "gateway/store/migrate.h"

enum {
    EXIT_NEEDS_BOOTSTRAP = 3,
    EXIT_NEW_AVAILABLE = 5,
    RETRY_MS = 500
};

struct migrating {
    const struct command_line *line;
    struct pg_session *session;
    struct migrate_options options;
};

static void say(const struct migrating *migrating, const char *text)
{
    if (!migrating->line->quiet)
        puts(text);
}

/* migrate_check(), again until the database answers or --db-timeout is over. */
static bool check_patiently(const struct migrating *migrating, enum migrate_state *state, struct err *err)
{
    for (int64_t waited = 0;; waited += RETRY_MS) {
        if (migrate_check(migrating->session, state, err))
            return true;
        if (err->code != ERR_UNAVAILABLE || waited >= migrating->options.db_timeout_ms)
            return false;
        command_pause_ms(RETRY_MS);
    }
}

static int bootstrap(const struct migrating *migrating)
{
    struct err err;
    bool changed;
    if (!migrate_bootstrap(migrating->session, &migrating->options, migrating->line->force, &changed, &err))
        return command_fail("%s", err.text);
    say(migrating, changed ? "Database is up-to-date" : "Database already bootstrapped");
    return 0;
}

static int up(const struct migrating *migrating)
{
    struct err err;
    bool changed;
    if (!migrate_up(migrating->session, &migrating->options, &changed, &err))
        return command_fail("%s", err.text);
    say(migrating,
        changed ? "Database is up-to-date; no pending migrations" : "Database is already up-to-date");
    return 0;
}

static int finish(const struct migrating *migrating)
{
    /* Every step of ours is safe while older nodes run, so `up` leaves nothing behind. */
    say(migrating, "No pending migrations to finish");
    return 0;
}

static void print_step(void *arg, const char *name, bool executed)
{
    (void)arg;
    printf("  %s  %s\n", executed ? "executed" : "new     ", name);
}

static void add_step(void *arg, const char *name, bool executed)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(arg, executed ? "executed" : "new");
    cJSON_AddItemToArray(list, cJSON_CreateString(name));
}

static int exit_status(enum migrate_state state)
{
    static const int statuses[] = {[MIGRATE_CURRENT] = 0,
                                   [MIGRATE_EMPTY] = EXIT_NEEDS_BOOTSTRAP,
                                   [MIGRATE_BEHIND] = EXIT_NEW_AVAILABLE,
                                   [MIGRATE_AHEAD] = 1};
    return statuses[state];
}

static int list(const struct migrating *migrating)
{
    struct err err;
    enum migrate_state state;
    if (!check_patiently(migrating, &state, &err) ||
        !migrate_list(migrating->session, print_step, NULL, &err))
        return command_fail("%s", err.text);
    if (state == MIGRATE_EMPTY)
        say(migrating, "Database needs bootstrapping; run 'freshet migrations bootstrap'");
    if (state == MIGRATE_BEHIND)
        say(migrating, "New migrations available; run 'freshet migrations up' to proceed");
    if (state == MIGRATE_AHEAD)
        say(migrating, "The database belongs to a newer version of Freshet");
    return exit_status(state);
}

/* What keeps the database from being ours to run on; NULL: nothing. */
static const char *objection(enum migrate_state state)
{
    static const char *const texts[] = {
        [MIGRATE_CURRENT] = NULL,
        [MIGRATE_EMPTY] = "Database needs bootstrapping; run 'freshet migrations bootstrap'",
        [MIGRATE_BEHIND] = "New migrations available; run 'freshet migrations up' to proceed",
        [MIGRATE_AHEAD] =
            "The database belongs to a newer version of Freshet; start that version, or restore a copy "
            "from before and run 'freshet migrations up'",
    };
    return texts[state];
}

/*
 * Until somebody else has brought the schema up to date, or --wait is over, or no waiting can help. Says what
 * it waits for when that changes.
 */
static void wait_for_others(const struct migrating *migrating)
{
    char said[sizeof(((struct err *)0)->text)] = "";
    int64_t end_ms = clock_now_ms(clock_system()) + migrating->line->wait_s * 1000;
    for (;;) {
        struct err err = {0};
        enum migrate_state state;
        bool known = migrate_check(migrating->session, &state, &err);
        const char *text = known ? objection(state) : err.text;
        bool may_change =
            known ? state == MIGRATE_EMPTY || state == MIGRATE_BEHIND : err.code == ERR_UNAVAILABLE;
        if (!may_change || clock_now_ms(clock_system()) >= end_ms)
            return;
        if (strcmp(said, text) != 0)
            (void)fprintf(stderr, "waiting: %s\n", text);
        (void)snprintf(said, sizeof(said), "%s", text);
        command_pause_ms(RETRY_MS);
    }
}

static int status(const struct migrating *migrating)
{
    struct err err;
    enum migrate_state state;
    if (migrating->line->wait_s > 0)
        wait_for_others(migrating);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddArrayToObject(object, "executed");
    cJSON_AddArrayToObject(object, "new");
    bool ok =
        check_patiently(migrating, &state, &err) && migrate_list(migrating->session, add_step, object, &err);
    if (ok) {
        cJSON_AddBoolToObject(object, "needs_bootstrap", state == MIGRATE_EMPTY);
        char *text = cJSON_PrintUnformatted(object);
        puts(text);
        free(text);
    }
    cJSON_Delete(object);
    return ok ? exit_status(state) : command_fail("%s", err.text);
}

static bool confirmed(const struct command_line *line)
{
    if (line->yes)
        return true;
    if (isatty(STDIN_FILENO) == 0) {
        command_fail("not a terminal: 'migrations reset' needs -y");
        return false;
    }
    (void)fputs("This removes everything Freshet keeps in the database. Are you sure? [y/N] ", stdout);
    (void)fflush(stdout);
    int answer = getchar();
    return answer == 'y' || answer == 'Y';
}

static int reset(const struct migrating *migrating)
{
    struct err err;
    bool changed;
    if (!confirmed(migrating->line))
        return 1;
    if (!migrate_reset(migrating->session, &migrating->options, &changed, &err))
        return command_fail("%s", err.text);
    say(migrating, changed ? "Database successfully reset" : "Database not bootstrapped, nothing to reset");
    return changed ? 0 : 1;
}

static const struct verb {
    const char *name;
    int (*run)(const struct migrating *migrating);
} verbs[] = {
    {"bootstrap", bootstrap}, {"up", up},         {"finish", finish},
    {"list", list},           {"status", status}, {"reset", reset},
};

static struct migrating open_session(const struct command_line *line, const struct config *config)
{
    struct pg_options options;
    database_options(config, false, &options);
    return (struct migrating){
        .line = line,
        .session = pg_session_new(&options),
        .options = {.db_timeout_ms = line->db_timeout_s * 1000,
                    .lock_timeout_ms = line->lock_timeout_s * 1000},
    };
}

int command_migrations(const struct command_line *line)
{
    const char *name = line->word_count > 0 ? line->words[0] : "";
    const struct verb *verb = NULL;
    for (size_t i = 0; i < COUNT(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            verb = &verbs[i];
    if (verb == NULL)
        return command_fail("No such command for migrations: %s", name);
    struct config *config = command_config(line, line->file);
    if (config == NULL)
        return 1;
    struct migrating migrating = open_session(line, config);
    int result = verb->run(&migrating);
    pg_session_free(migrating.session);
    config_free(config);
    return result;
}

bool migrations_ready(const struct command_line *line, const struct config *config)
{
    struct migrating migrating = open_session(line, config);
    struct err err;
    enum migrate_state state;
    bool changed;
    bool ok = check_patiently(&migrating, &state, &err);
    if (ok && line->run_migrations && state == MIGRATE_EMPTY)
        ok = migrate_bootstrap(migrating.session, &migrating.options, false, &changed, &err) &&
             migrate_check(migrating.session, &state, &err);
    if (ok && line->run_migrations && state == MIGRATE_BEHIND)
        ok = migrate_up(migrating.session, &migrating.options, &changed, &err) &&
             migrate_check(migrating.session, &state, &err);
    pg_session_free(migrating.session);
    if (!ok)
        command_fail("%s", err.text);
    else if (objection(state) != NULL)
        command_fail("%s", objection(state));
    return ok && objection(state) == NULL;
}
