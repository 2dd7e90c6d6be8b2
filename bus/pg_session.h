#pragma once

/*
 * pg_session - one connection to Postgres on which nothing waits without a deadline.
 *
 * All sending and receiving goes through libpq's non-blocking calls and poll(2); PQexec and friends are not
 * used. Several statements travel as one pipeline: one round trip. Used by the bus, by outbox and by
 * gateway/store.
 *
 * Threads: a session belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

enum bus_err_code {
    BUS_ERR_NONE,
    BUS_ERR_CONNECT,         /* no connection, or it broke */
    BUS_ERR_DEADLINE,        /* no answer in time; the connection has been closed */
    BUS_ERR_SQL,             /* Postgres refused; see sqlstate */
    BUS_ERR_UNKNOWN_OUTCOME, /* COMMIT was sent and no answer came */
    BUS_ERR_INVALID,         /* an answer, a setting or a database of another version */
    BUS_ERR_INTERNAL,
};

struct bus_err {
    enum bus_err_code code;
    char sqlstate[6]; /* of BUS_ERR_SQL, or of the goodbye of a server that closed the connection; else "" */
    char constraint[64]; /* name of the violated constraint or "" */
    char text[256];
};

struct pg_options {
    const char *host; /* starts with '/': directory of the unix socket */
    int port;
    const char *user;
    const char *password; /* NULL: none */
    const char *database;
    const char *schema; /* NULL: the role's own search path */
    bool ssl;
    bool ssl_verify;
    const char *ssl_ca_file; /* NULL: the system's */
    int connect_timeout_ms;
    const char *application_name;
    bool read_only; /* a replica is fine; otherwise target_session_attrs=read-write */
};

/* For who keeps options: a copy that owns its strings, and its end. */
void pg_options_copy(struct pg_options *to, const struct pg_options *from);
void pg_options_clear(struct pg_options *options);

struct pg_session;

/* Makes a session; connects on first use. Copies the options. Cannot fail. */
struct pg_session *pg_session_new(const struct pg_options *options);
void pg_session_free(struct pg_session *session);

/* Connects unless connected. deadline_ms is a duration from now. */
bool pg_session_connect(struct pg_session *session, int64_t deadline_ms, struct bus_err *err);
bool pg_session_is_connected(const struct pg_session *session);
/* Drops the connection; the next use makes a new one. */
void pg_session_drop(struct pg_session *session);
/* How often it has connected so far. A caller that keeps state per connection compares. */
uint64_t pg_session_connects(const struct pg_session *session);

/* Between BEGIN and its end on a connection that still stands; a failed transaction counts. */
bool pg_session_is_in_transaction(const struct pg_session *session);
/*
 * After a failed pg_session_run(): the index of the statement that Postgres refused, or SIZE_MAX if no answer
 * to any of them said so (the connection broke, the deadline passed).
 */
size_t pg_session_failed_at(const struct pg_session *session);

struct pg_statement {
    const char *sql;
    int param_count;
    const char *const *params; /* NULL entries are SQL NULL */
    const int *lengths;        /* NULL: all text */
    const int *formats;        /* NULL: all text */
    bool binary_result;
};

/*
 * Runs `count` statements as one pipeline and waits for all results at most deadline_ms. Connects if need be.
 *
 * On success results[i] is the result of statement i (PGRES_TUPLES_OK or PGRES_COMMAND_OK) and belongs to the
 * caller: PQclear each. On failure results are all NULL and err tells the first failing statement's reason;
 * statements behind it have not run. If the connection broke or the deadline passed, the connection is gone
 * (and any transaction with it), and whether statements outside BEGIN took effect is unknown. Outside BEGIN
 * the pipeline is one implicit transaction. A connection that the server closed while nothing was going on is
 * replaced without an error.
 */
bool pg_session_run(struct pg_session *session, const struct pg_statement *statements, size_t count,
                    PGresult **results, int64_t deadline_ms, struct bus_err *err);

/* One statement without parameters whose result nobody needs: BEGIN, ROLLBACK, SET ... */
bool pg_session_command(struct pg_session *session, const char *sql, int64_t deadline_ms,
                        struct bus_err *err);

/* For who waits in poll(2) for notifications: the socket, -1 without a connection. */
int pg_session_socket(const struct pg_session *session);
/* Takes in what has arrived. false: the connection broke and is gone. */
bool pg_session_receive(struct pg_session *session, struct bus_err *err);
/* The payload of the oldest notification received, cut to `size`. false: there is none. */
bool pg_session_take_notification(struct pg_session *session, char *payload, size_t size);

bool bus_err_set(struct bus_err *err, enum bus_err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
