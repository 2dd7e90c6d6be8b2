#pragma once

/*
 * servers - a throw-away Postgres and a throw-away Redis for one test program, reachable over unix sockets
 * only.
 *
 * Started by fork and exec in a temporary directory and ended by process id. Without the server programs
 * installed, start functions return false and the tests skip.
 */

#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/machine.h"
#include "bus/pg_session.h"

#define UNUSED __attribute__((unused))

struct servers {
    char directory[64];
    char socket[96]; /* Redis */
    pid_t postgres;
    pid_t redis;
};

static UNUSED void pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&pause, NULL);
}

/* Waits until the condition holds, at most `ms`; evaluates to whether it did. */
#define HOLDS_WITHIN(ms, condition)                                                                          \
    ({                                                                                                       \
        int64_t until_us = machine_now_us() + (int64_t)(ms)*1000;                                            \
                                                                                                             \
        while (!(condition) && machine_now_us() < until_us)                                                  \
            pause_ms(2);                                                                                     \
        (condition);                                                                                         \
    })

/* Postgres refuses to run as root. */
static void become_postgres(void)
{
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;

    if (user != NULL && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
}

static pid_t spawn(char *const argv[], const char *log_file)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (strstr(argv[0], "redis") == NULL)
        become_postgres();
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT); /* a test that crashes leaves no server behind */
    if (freopen(log_file, "a", stdout) == NULL || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        _exit(126);
    (void)execvp(argv[0], argv);
    _exit(127);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A copy that argv may point to: exec wants its words writable. */
static char *word(const char *text)
{
    return machine_copy(text);
}

static UNUSED bool servers_make_directory(struct servers *servers)
{
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;

    if (servers->directory[0] != '\0')
        return true;
    (void)snprintf(servers->directory, sizeof(servers->directory), "/tmp/freshet-bus-XXXXXX");
    if (mkdtemp(servers->directory) == NULL)
        return false;
    if (user != NULL && chown(servers->directory, user->pw_uid, user->pw_gid) != 0)
        return false;
    return chmod(servers->directory, 0755) == 0;
}

static UNUSED struct pg_options servers_pg_options(const struct servers *servers)
{
    return (struct pg_options){.host = servers->directory,
                               .port = 5432,
                               .user = "postgres",
                               .database = "postgres",
                               .connect_timeout_ms = 3000,
                               .application_name = "freshet test"};
}

static bool wait_for_postgres(const struct servers *servers)
{
    const struct pg_options options = servers_pg_options(servers);
    struct pg_session *session = pg_session_new(&options);
    struct bus_err err;
    bool ready = HOLDS_WITHIN(20000, pg_session_connect(session, 1000, &err));

    pg_session_free(session);
    return ready;
}

/* The server itself, on a directory that initdb has made. */
static UNUSED bool servers_run_postgres(struct servers *servers)
{
    glob_t found;
    char data[128], log[128];
    pid_t child;

    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) != 0)
        return false;
    (void)snprintf(data, sizeof(data), "%s/data", servers->directory);
    (void)snprintf(log, sizeof(log), "%s/postgres.log", servers->directory);

    char *const argv[] = {found.gl_pathv[found.gl_pathc - 1],
                          word("-D"),
                          data,
                          word("-k"),
                          servers->directory,
                          word("-c"),
                          word("listen_addresses="),
                          word("-c"),
                          word("fsync=off"),
                          word("-c"),
                          word("shared_preload_libraries=pg_stat_statements"),
                          word("-c"),
                          word("max_connections=40"),
                          NULL};

    child = spawn(argv, log);
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (argv[i] != data && argv[i] != servers->directory)
            free(argv[i]);
    }
    globfree(&found);
    servers->postgres = child;
    return child > 0 && wait_for_postgres(servers);
}

static UNUSED bool servers_start_postgres(struct servers *servers)
{
    glob_t found;
    char data[128], log[128];
    int status = -1;
    pid_t child;

    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0) {
        print_message("no Postgres is installed: skipped\n");
        return false;
    }
    if (!servers_make_directory(servers))
        return false;
    (void)snprintf(data, sizeof(data), "%s/data", servers->directory);
    (void)snprintf(log, sizeof(log), "%s/initdb.log", servers->directory);

    char *const argv[] = {found.gl_pathv[found.gl_pathc - 1],
                          word("-U"),
                          word("postgres"),
                          word("-A"),
                          word("trust"),
                          word("--no-sync"),
                          word("-E"),
                          word("UTF8"),
                          word("-D"),
                          data,
                          NULL};

    child = spawn(argv, log);
    for (size_t i = 1; i < 9; i++)
        free(argv[i]);
    globfree(&found);
    if (child <= 0 || waitpid(child, &status, 0) != child || status != 0)
        return false;
    return servers_run_postgres(servers);
}

static UNUSED bool servers_start_redis(struct servers *servers)
{
    char log[128];
    struct stat status;

    if (access("/usr/bin/redis-server", X_OK) != 0) {
        print_message("no Redis is installed: skipped\n");
        return false;
    }
    if (!servers_make_directory(servers))
        return false;
    (void)snprintf(servers->socket, sizeof(servers->socket), "%s/redis.socket", servers->directory);
    (void)snprintf(log, sizeof(log), "%s/redis.log", servers->directory);
    (void)unlink(servers->socket);

    char *const argv[] = {word("/usr/bin/redis-server"),
                          word("--port"),
                          word("0"),
                          word("--unixsocket"),
                          servers->socket,
                          word("--save"),
                          word(""),
                          word("--requirepass"),
                          word("sesame"),
                          word("--dir"),
                          servers->directory,
                          NULL};

    servers->redis = spawn(argv, log);
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (argv[i] != servers->socket && argv[i] != servers->directory)
            free(argv[i]);
    }
    return servers->redis > 0 && HOLDS_WITHIN(10000, stat(servers->socket, &status) == 0);
}

static UNUSED void stop_process(pid_t *process, int signal)
{
    if (*process > 0 && kill(*process, signal) == 0)
        (void)waitpid(*process, NULL, 0);
    *process = 0;
}

static UNUSED void servers_stop(struct servers *servers)
{
    stop_process(&servers->postgres, SIGQUIT);
    stop_process(&servers->redis, SIGKILL);
    if (servers->directory[0] != '\0')
        (void)nftw(servers->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Runs SQL and returns the first value as text, "" for none. The test fails if Postgres refuses. */
static UNUSED const char *ask_sql(struct pg_session *session, const char *sql)
{
    static char value[256];
    const struct pg_statement statement = {.sql = sql};
    PGresult *result;
    struct bus_err err;

    if (!pg_session_run(session, &statement, 1, &result, 5000, &err))
        fail_msg("%s: %s", sql, err.text);
    (void)snprintf(value, sizeof(value), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

/* Where a statement ends: at a semicolon that ends a line, unless it is in the body of a function. */
static UNUSED char *end_of_statement(char *sql)
{
    static const char body[] = "$body$";
    char *end = strstr(sql, ";\n");
    char *opened = strstr(sql, body);
    char *closed = opened != NULL ? strstr(opened + strlen(body), body) : NULL;

    return end != NULL && closed != NULL && opened < end ? strstr(closed, ";\n") : end;
}

/* A script of several statements. */
static UNUSED void run_script(struct pg_session *session, const char *path)
{
    FILE *file = fopen(path, "r");
    char *script = machine_alloc(65536);
    char *rest = script;
    char *end;

    assert_non_null(file);
    assert_true(fread(script, 1, 65535, file) > 0);
    (void)fclose(file);
    for (end = end_of_statement(rest); end != NULL; end = end_of_statement(rest)) {
        *end = '\0';
        (void)ask_sql(session, rest);
        rest = end + 2;
    }
    free(script);
}

/* A fresh log, as after migration. */
static UNUSED void make_log(struct pg_session *session)
{
    (void)ask_sql(session, "DROP TABLE IF EXISTS cluster_head, cluster_log, cluster_node, rows_of_test");
    (void)ask_sql(session, "DROP FUNCTION IF EXISTS cluster_peek, cluster_beat");
    run_script(session, "bus/log_table.sql");
    run_script(session, "bus/log_polls.sql");
    (void)ask_sql(session, "CREATE TABLE rows_of_test (id int PRIMARY KEY, value bigint NOT NULL)");
}
