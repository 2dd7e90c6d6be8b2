#pragma once

/*
 * database - a Postgres of the test's own: made on first use, on a Unix socket in a new directory, gone at
 * the end.
 *
 * Postgres refuses to run as root, so root hands it to the user "postgres". The guard triggers are installed:
 * every COMMIT that forgets an event fails the test that made it.
 */

#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"
#include "gateway/store/migrate.h"
#include "gateway/store/session.h"
#include "gateway/store/store.h"

struct database {
    char directory[64];
    char programs[256]; /* of Postgres */
    pid_t server;
    struct pg_options options;
    struct schemas *schemas;
    struct store_options store_options;
    struct store_session session; /* for the test's own thread */
};

static const struct migrate_options database_patience = {.db_timeout_ms = 20000, .lock_timeout_ms = 20000};

static inline void database_pause(void)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    (void)nanosleep(&pause, NULL);
}

static inline bool database_find_programs(struct database *database)
{
    glob_t found;

    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return false;
    const char *last = found.gl_pathv[found.gl_pathc - 1];
    (void)snprintf(database->programs, sizeof(database->programs), "%.*s", (int)(strrchr(last, '/') - last),
                   last);
    globfree(&found);
    return true;
}

/* A process as a user that Postgres accepts, dying with the test: 0 in it, as fork(2) does. */
static inline pid_t database_fork(void)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (getuid() == 0) {
        const struct passwd *user = getpwnam("postgres");
        if (user == NULL || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
            _exit(126);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (chdir("/") != 0 || freopen("/dev/null", "w", stdout) == NULL ||
        freopen("/dev/null", "w", stderr) == NULL)
        _exit(126);
    return 0;
}

static inline bool database_init(const struct database *database)
{
    char path[320], data[96];
    int status;

    (void)snprintf(path, sizeof(path), "%s/initdb", database->programs);
    (void)snprintf(data, sizeof(data), "%s/data", database->directory);
    pid_t child = database_fork();
    if (child == 0) {
        (void)execl(path, "initdb", "-D", data, "-U", "freshet", "-A", "trust", "-E", "UTF8", "--no-locale",
                    "--no-sync", (char *)NULL);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static inline void database_serve(struct database *database, const char *fsync)
{
    char path[320], data[96], setting[32];

    (void)snprintf(path, sizeof(path), "%s/postgres", database->programs);
    (void)snprintf(data, sizeof(data), "%s/data", database->directory);
    (void)snprintf(setting, sizeof(setting), "fsync=%s", fsync);
    database->server = database_fork();
    if (database->server == 0) {
        (void)execl(path, "postgres", "-D", data, "-k", database->directory, "-c", "listen_addresses=", "-c",
                    setting, "-c", "max_connections=40", "-c", "deadlock_timeout=100ms", (char *)NULL);
        _exit(127);
    }
}

static inline bool database_wait(const struct database *database)
{
    struct pg_session *session = pg_session_new(&database->options);
    struct bus_err err = {0};
    bool connected = false;

    for (int i = 0; i < 1500 && !connected; i++) {
        connected = pg_session_connect(session, 5000, &err);
        if (!connected)
            database_pause();
    }
    pg_session_free(session);
    if (!connected)
        (void)fprintf(stderr, "no connection: %s\n", err.text);
    return connected;
}

/* Runs a text of any number of statements. Returns the first column of the last row, owned by the caller, or
 * NULL. */
static inline char *database_script(const struct database *database, const char *sql)
{
    char target[192];
    char *value = NULL;
    PGresult *result;

    (void)snprintf(target, sizeof(target),
                   "host=%s user=freshet dbname=postgres options='-c client_min_messages=warning'",
                   database->directory);
    PGconn *connection = PQconnectdb(target);
    if (PQsendQuery(connection, sql) != 1)
        fail_msg("%s", PQerrorMessage(connection));
    while ((result = PQgetResult(connection)) != NULL) {
        if (PQresultStatus(result) == PGRES_FATAL_ERROR)
            fail_msg("%s", PQresultErrorMessage(result));
        if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0) {
            free(value);
            value = mem_strdup(PQgetvalue(result, PQntuples(result) - 1, 0));
        }
        PQclear(result);
    }
    PQfinish(connection);
    return value;
}

static inline int64_t database_number(const struct database *database, const char *sql)
{
    char *value = database_script(database, sql);
    int64_t number = value != NULL ? strtoll(value, NULL, 10) : -1;

    free(value);
    return number;
}

static inline void database_install_guard(const struct database *database)
{
    char text[8192];
    FILE *file = fopen("gateway/store/guard.sql", "r");

    assert_non_null(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    text[length] = '\0';
    (void)fclose(file);
    free(database_script(database, text));
}

static inline int database_remove_one(const char *path, const struct stat *status, int kind,
                                      struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void database_stop(struct database *database)
{
    int status;

    if (database->server > 0) {
        (void)kill(database->server, SIGQUIT);
        (void)waitpid(database->server, &status, 0);
    }
    (void)nftw(database->directory, database_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A server that runs; nothing in it. */
static inline bool database_start(struct database *database)
{
    const char *fsync = getenv("FRESHET_TEST_FSYNC");

    *database = (struct database){.directory = "/tmp/freshet-store-XXXXXX"};
    if (!database_find_programs(database) || mkdtemp(database->directory) == NULL)
        return false;
    const struct passwd *user = getpwnam("postgres");
    if (getuid() == 0 && (user == NULL || chown(database->directory, user->pw_uid, user->pw_gid) != 0))
        return false;
    database->options = (struct pg_options){.host = database->directory,
                                            .port = 5432,
                                            .user = "freshet",
                                            .database = "postgres",
                                            .connect_timeout_ms = 5000,
                                            .application_name = "test"};
    if (!database_init(database))
        return false;
    database_serve(database, fsync != NULL ? fsync : "off");
    return database_wait(database);
}

static inline void database_migrate(const struct database *database)
{
    struct pg_session *session = pg_session_new(&database->options);
    struct err err = {0};
    bool changed;

    if (!migrate_bootstrap(session, &database_patience, false, &changed, &err))
        fail_msg("%s", err.text);
    pg_session_free(session);
}

/* ---- entities for the tests ---- */

static const struct field credential_tag = {.kind = FIELD_STRING};
static const struct field credential_fields[] = {
    {.name = "id", .kind = FIELD_STRING, .flags = FIELD_UUID | FIELD_AUTO},
    {.name = "created_at", .kind = FIELD_INTEGER, .flags = FIELD_TIMESTAMP | FIELD_AUTO},
    {.name = "consumer",
     .kind = FIELD_FOREIGN,
     .flags = FIELD_REQUIRED | FIELD_CASCADE,
     .reference = "consumers"},
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_UNIQUE | FIELD_AUTO},
    {.name = "tags", .kind = FIELD_SET, .elements = &credential_tag},
};

static inline void credential_keys(const struct schema *schema, const cJSON *document,
                                   void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    char key[256];

    (void)snprintf(key, sizeof(key), "%s:%s", schema->name,
                   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "key")));
    add(arg, 0, str_of(key));
}

/* The typed object is the document's text. */
static inline bool credential_decode(const cJSON *document, void **object, size_t *bytes, struct err *err)
{
    (void)err;
    *object = cJSON_PrintUnformatted(document);
    *bytes = strlen(*object);
    return true;
}

static const struct schema credential_schema = {
    .name = "keyauth_credentials",
    .path = "key-auths",
    .endpoint_key = "key",
    .fields = credential_fields,
    .field_count = COUNT(credential_fields),
    .has_ttl = true,
    .has_tags = true,
    .lookups = {{"key"}, {"id"}},
    .cache_keys = credential_keys,
    .decode = credential_decode,
    .release = cJSON_free,
};

/* A document with a new id; json is what else is in it. */
static inline cJSON *entity(const char *json)
{
    cJSON *document = cJSON_Parse(json);
    char id[UUID_TEXT_SIZE];
    struct uuid uuid;

    assert_non_null(document);
    uuid_make(&uuid);
    if (!cJSON_HasObjectItem(document, "id"))
        (void)cJSON_AddStringToObject(document, "id", uuid_format(&uuid, id));
    return document;
}

static inline const char *text_of(const cJSON *document, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, name));
}

static inline cJSON *reference_to(const cJSON *document)
{
    cJSON *reference = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(reference, "id", text_of(document, "id"));
    return reference;
}

/* An entity with a reference, {"<field>":{"id":...}}. */
static inline cJSON *entity_of(const char *json, const char *field, const cJSON *parent)
{
    cJSON *document = entity(json);

    (void)cJSON_AddItemToObject(document, field, reference_to(parent));
    return document;
}

/* ---- one change per call ---- */

struct change_request {
    const struct schema *schema;
    const cJSON *old, *new; /* old alone: delete; new alone: insert */
};

static inline bool change_body(struct store_session *session, void *arg, struct store_error *error)
{
    const struct change_request *request = arg;

    if (request->old == NULL)
        return store_insert(session, request->schema, request->new, error);
    if (request->new == NULL)
        return store_delete(session, request->schema, request->old, error);
    return store_update(session, request->schema, request->old, request->new, error);
}

static inline bool change(struct database *database, const struct schema *schema, const cJSON *old,
                          const cJSON *new, struct outbox_receipt *receipt, struct store_error *error)
{
    struct change_request request = {.schema = schema, .old = old, .new = new};

    return store_transact(&database->session, change_body, &request, receipt, error);
}

/* Changes that must succeed. Returns the position. */
static inline uint64_t must_change(struct database *database, const struct schema *schema, const cJSON *old,
                                   const cJSON *new)
{
    struct outbox_receipt receipt;
    struct store_error error = {0};

    if (!change(database, schema, old, new, &receipt, &error))
        fail_msg("%s: %s", schema->name, error.err.text);
    return receipt.position;
}

static inline cJSON *must_find(struct database *database, const struct schema *schema, const char *field,
                               const char *value)
{
    struct store_error error = {0};
    cJSON *document = NULL;

    if (!store_find(&database->session, schema, field, str_of(value), STORE_READ, &document, &error))
        fail_msg("%s: %s", schema->name, error.err.text);
    return document;
}

/* ---- group and test fixtures ---- */

static inline int database_group_setup(void **state)
{
    struct database *database = mem_zalloc(sizeof(*database));

    *state = database;
    if (!database_start(database)) {
        (void)fprintf(stderr, "these tests need the server programs of Postgres and a user it runs as\n");
        return -1;
    }
    database_migrate(database);
    database_install_guard(database);
    database->schemas = schemas_new();
    schemas_add_core(database->schemas);
    schemas_add(database->schemas, &credential_schema);
    database->store_options = (struct store_options){.primary = database->options,
                                                     .schemas = database->schemas,
                                                     .salt = {{1, 2, 3}},
                                                     .node_id = {{9, 9, 9}},
                                                     .statement_timeout_ms = 10000,
                                                     .append_timeout_ms = 3000};
    session_init(&database->session, NULL, &database->store_options);
    return 0;
}

static inline int database_group_teardown(void **state)
{
    struct database *database = *state;

    session_fini(&database->session);
    schemas_free(database->schemas);
    database_stop(database);
    free(database);
    return 0;
}

/* Empty tables before each test; the log goes on. */
static inline int database_clear(void **state)
{
    free(database_script(*state,
                         "TRUNCATE services, routes, consumers, plugins, keyauth_credentials CASCADE"));
    return 0;
}
