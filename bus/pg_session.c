/*
 * One connection to Postgres, driven by libpq's non-blocking calls.
 *
 * The connection is put into pipeline mode once and stays there: a single statement is a pipeline of one.
 * Statements are unnamed, so a pooler in transaction mode may stand in between. Every wait is a poll(2)
 * against one deadline; when it passes, the connection is closed, because nobody could say any more which
 * answer belongs to which question.
 *
 * Only libpq's own name resolution may take longer than the deadline (it blocks in the C library).
 */

#include "bus/pg_session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "bus/machine.h"

enum {
    MAX_CONNECT_PARAMETERS = 24
};

struct pg_session {
    struct pg_options options; /* strings are ours */
    PGconn *connection;        /* NULL or usable, in pipeline mode */
    uint64_t connects;
    size_t failed_at;
};

struct parameters {
    const char *names[MAX_CONNECT_PARAMETERS + 1];
    const char *values[MAX_CONNECT_PARAMETERS + 1];
    size_t count;
};

/* Where the machine keeps its trusted certificates; libpq 15 cannot be told "the system's". */
static const char *const system_ca_files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                              "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", NULL};

static const char *find_system_ca(void)
{
    const char *named = getenv(X509_get_default_cert_file_env());

    if (named != NULL)
        return named;
    for (size_t i = 0; system_ca_files[i] != NULL; i++) {
        if (access(system_ca_files[i], R_OK) == 0)
            return system_ca_files[i];
    }
    return X509_get_default_cert_file();
}

static void add_parameter(struct parameters *parameters, const char *name, const char *value)
{
    if (value == NULL)
        return;
    assert(parameters->count < MAX_CONNECT_PARAMETERS);
    parameters->names[parameters->count] = name;
    parameters->values[parameters->count++] = value;
}

static const char *ssl_mode(const struct pg_options *options)
{
    if (!options->ssl)
        return "disable";
    return options->ssl_verify ? "verify-full" : "require";
}

/* "-c search_path=<schema>": a quoted identifier, and what the server's option parser takes for separators
 * escaped. */
static void write_search_path(const char *schema, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "-c search_path=\"");

    for (const char *c = schema; *c != '\0' && used + 8 < size; c++) {
        if (*c == ' ' || *c == '\\')
            text[used++] = '\\';
        if (*c == '"')
            text[used++] = '"';
        text[used++] = *c;
    }
    (void)snprintf(text + used, size - used, "\"");
}

/* Notices would go to stderr otherwise; what matters comes as an error. */
static void ignore_notice(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static PGconn *start_connection(const struct pg_options *options)
{
    struct parameters parameters = {0};
    char port[16];
    char search_path[192];

    (void)snprintf(port, sizeof(port), "%d", options->port);
    add_parameter(&parameters, "host", options->host);
    add_parameter(&parameters, "port", options->port > 0 ? port : NULL);
    add_parameter(&parameters, "user", options->user);
    add_parameter(&parameters, "password", options->password);
    add_parameter(&parameters, "dbname", options->database);
    add_parameter(&parameters, "application_name", options->application_name);
    add_parameter(&parameters, "sslmode", ssl_mode(options));
    if (options->ssl && options->ssl_verify)
        add_parameter(&parameters, "sslrootcert",
                      options->ssl_ca_file != NULL ? options->ssl_ca_file : find_system_ca());
    add_parameter(&parameters, "gssencmode", "disable");
    add_parameter(&parameters, "client_encoding", "UTF8");
    add_parameter(&parameters, "keepalives_idle", "10");
    add_parameter(&parameters, "keepalives_interval", "3");
    add_parameter(&parameters, "keepalives_count", "3");
    add_parameter(&parameters, "tcp_user_timeout", "5000");
    if (!options->read_only)
        add_parameter(&parameters, "target_session_attrs", "read-write");
    if (options->schema != NULL && options->schema[0] != '\0') {
        write_search_path(options->schema, search_path, sizeof(search_path));
        add_parameter(&parameters, "options", search_path);
    }
    return PQconnectStartParams(parameters.names, parameters.values, /* expand_dbname= */ 0);
}

/* libpq ends its messages with a newline, and longer ones have several lines. */
static void first_line(const char *message, char *line, size_t size)
{
    size_t length = message != NULL ? strcspn(message, "\n") : 0;

    (void)snprintf(line, size, "%.*s", (int)(length < size ? length : size - 1),
                   message != NULL ? message : "");
}

static bool fail_connection(struct pg_session *session, struct bus_err *err)
{
    char line[200];

    first_line(PQerrorMessage(session->connection), line, sizeof(line));
    pg_session_drop(session);
    return bus_err_set(err, BUS_ERR_CONNECT, "%s", line[0] != '\0' ? line : "the connection broke");
}

static bool fail_deadline(struct pg_session *session, struct bus_err *err)
{
    pg_session_drop(session);
    return bus_err_set(err, BUS_ERR_DEADLINE, "Postgres did not answer in time");
}

/* false: the deadline has passed. An error of poll() itself shows at the next call of libpq. */
static bool wait_for_socket(int descriptor, short events, int64_t deadline_us)
{
    struct pollfd wanted = {.fd = descriptor, .events = events};

    for (;;) {
        int64_t left_us = deadline_us - machine_now_us();
        int ready;

        if (left_us <= 0)
            return false;
        ready = poll(&wanted, 1, (int)((left_us + 999) / 1000 > 60000 ? 60000 : (left_us + 999) / 1000));
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
    }
}

static bool finish_connecting(struct pg_session *session, int64_t deadline_us, struct bus_err *err)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (status != PGRES_POLLING_OK) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;

        if (!wait_for_socket(PQsocket(session->connection), events, deadline_us)) {
            pg_session_drop(session);
            return bus_err_set(err, BUS_ERR_CONNECT, "no connection to Postgres at %s in time",
                               session->options.host);
        }
        status = PQconnectPoll(session->connection);
        if (status == PGRES_POLLING_FAILED)
            return fail_connection(session, err);
    }
    return true;
}

static bool connect_until(struct pg_session *session, int64_t deadline_us, struct bus_err *err)
{
    int64_t limit_us = machine_now_us() + (int64_t)session->options.connect_timeout_ms * 1000;

    if (session->options.connect_timeout_ms > 0 && limit_us < deadline_us)
        deadline_us = limit_us;
    session->connection = start_connection(&session->options);
    if (session->connection == NULL)
        return bus_err_set(err, BUS_ERR_INTERNAL, "out of memory for a connection");
    if (PQstatus(session->connection) == CONNECTION_BAD)
        return fail_connection(session, err);
    (void)PQsetNoticeProcessor(session->connection, ignore_notice, NULL);
    if (!finish_connecting(session, deadline_us, err))
        return false;
    if (PQsetnonblocking(session->connection, 1) != 0 || PQenterPipelineMode(session->connection) != 1)
        return fail_connection(session, err);
    session->connects++;
    return true;
}

/* The server may have closed an idle connection long ago (restart, idle timeout): then the socket is
 * readable. */
static void drop_if_closed(struct pg_session *session)
{
    struct pollfd now = {.fd = PQsocket(session->connection), .events = POLLIN};

    if (PQtransactionStatus(session->connection) != PQTRANS_IDLE || poll(&now, 1, 0) <= 0)
        return;
    if (PQconsumeInput(session->connection) == 0 || PQstatus(session->connection) == CONNECTION_BAD) {
        pg_session_drop(session);
        return;
    }
    /* A goodbye arrives as an error nobody asked for, followed by the end of the stream. */
    (void)PQisBusy(session->connection);
    if (PQstatus(session->connection) == CONNECTION_BAD || poll(&now, 1, 0) > 0)
        pg_session_drop(session);
}

static bool send_statements(struct pg_session *session, const struct pg_statement *statements, size_t count,
                            struct bus_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct pg_statement *s = &statements[i];

        if (PQsendQueryParams(session->connection, s->sql, s->param_count, /* types= */ NULL, s->params,
                              s->lengths, s->formats, s->binary_result ? 1 : 0) != 1)
            return fail_connection(session, err);
    }
    if (PQpipelineSync(session->connection) != 1)
        return fail_connection(session, err);
    return true;
}

/* Sends what is left and takes in what has come until PQgetResult() would not wait. */
static bool wait_for_result(struct pg_session *session, int64_t deadline_us, struct bus_err *err)
{
    for (;;) {
        int unsent = PQflush(session->connection);
        short events = unsent == 1 ? POLLIN | POLLOUT : POLLIN;

        if (unsent < 0)
            return fail_connection(session, err);
        if (unsent == 0 && PQisBusy(session->connection) == 0)
            return true;
        if (!wait_for_socket(PQsocket(session->connection), events, deadline_us))
            return fail_deadline(session, err);
        if (PQconsumeInput(session->connection) == 0)
            return fail_connection(session, err);
    }
}

static void copy_field(const PGresult *result, int field, char *text, size_t size)
{
    const char *value = PQresultErrorField(result, field);

    (void)snprintf(text, size, "%s", value != NULL ? value : "");
}

/* Does the server, or libpq in its place, end the connection with this? */
static bool is_last_word(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    return PQresultStatus(result) == PGRES_FATAL_ERROR &&
           (severity == NULL || strcmp(severity, "ERROR") != 0);
}

static void note_refusal(struct pg_session *session, size_t index, const PGresult *result,
                         struct bus_err *err)
{
    *err = (struct bus_err){.code = BUS_ERR_SQL};
    copy_field(result, PG_DIAG_SQLSTATE, err->sqlstate, sizeof(err->sqlstate));
    copy_field(result, PG_DIAG_CONSTRAINT_NAME, err->constraint, sizeof(err->constraint));
    copy_field(result, PG_DIAG_MESSAGE_PRIMARY, err->text, sizeof(err->text));
    if (err->text[0] == '\0')
        first_line(PQresultErrorMessage(result), err->text, sizeof(err->text));
    if (err->sqlstate[0] != '\0') /* else libpq speaks of a connection that broke */
        session->failed_at = index;
}

/* One statement's results up to the NULL that ends them; anything but one plain result is refused. */
static bool take_result(struct pg_session *session, PGresult **result, int64_t deadline_us,
                        struct bus_err *err)
{
    PGresult *more;

    *result = NULL;
    if (!wait_for_result(session, deadline_us, err))
        return false;
    *result = PQgetResult(session->connection);
    if (*result == NULL)
        return fail_connection(session, err);
    if (PQresultStatus(*result) == PGRES_PIPELINE_SYNC || is_last_word(*result))
        return true;
    if (!wait_for_result(session, deadline_us, err))
        return false;
    more = PQgetResult(session->connection);
    if (more == NULL)
        return true;
    PQclear(more);
    pg_session_drop(session);
    return bus_err_set(err, BUS_ERR_INVALID, "a statement with more than one result");
}

/* Reads `count` results and the end of the pipeline. false: something was refused or broke; results may be
 * partial. */
static bool collect(struct pg_session *session, PGresult **results, size_t count, int64_t deadline_us,
                    struct bus_err *err)
{
    PGresult *end = NULL;
    struct bus_err later; /* the first reason stands */
    ExecStatusType status;
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        if (!take_result(session, &results[i], deadline_us, good ? err : &later))
            return false;
        status = PQresultStatus(results[i]);
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
            (!good && status == PGRES_PIPELINE_ABORTED))
            continue;
        good = false;
        note_refusal(session, i, results[i], err);
        if (status != PGRES_FATAL_ERROR || is_last_word(results[i])) {
            err->code = BUS_ERR_CONNECT;
            pg_session_drop(session);
            return false;
        }
    }
    if (!take_result(session, &end, deadline_us, good ? err : &later))
        return false;
    status = PQresultStatus(end);
    PQclear(end);
    if (status != PGRES_PIPELINE_SYNC) {
        pg_session_drop(session);
        return good ? bus_err_set(err, BUS_ERR_INVALID, "answers of Postgres are out of step") : false;
    }
    return good;
}

void pg_options_copy(struct pg_options *to, const struct pg_options *from)
{
    *to = *from;
    to->host = machine_copy(from->host);
    to->user = machine_copy(from->user);
    to->password = machine_copy(from->password);
    to->database = machine_copy(from->database);
    to->schema = machine_copy(from->schema);
    to->ssl_ca_file = machine_copy(from->ssl_ca_file);
    to->application_name = machine_copy(from->application_name);
}

void pg_options_clear(struct pg_options *options)
{
    machine_free_copy(options->host);
    machine_free_copy(options->user);
    machine_free_copy(options->password);
    machine_free_copy(options->database);
    machine_free_copy(options->schema);
    machine_free_copy(options->ssl_ca_file);
    machine_free_copy(options->application_name);
    *options = (struct pg_options){0};
}

struct pg_session *pg_session_new(const struct pg_options *options)
{
    struct pg_session *session = machine_alloc(sizeof(*session));

    pg_options_copy(&session->options, options);
    session->failed_at = SIZE_MAX;
    return session;
}

void pg_session_free(struct pg_session *session)
{
    if (session == NULL)
        return;
    pg_session_drop(session);
    pg_options_clear(&session->options);
    free(session);
}

bool pg_session_connect(struct pg_session *session, int64_t deadline_ms, struct bus_err *err)
{
    if (session->connection != NULL)
        drop_if_closed(session);
    if (session->connection != NULL)
        return true;
    return connect_until(session, machine_now_us() + deadline_ms * 1000, err);
}

bool pg_session_is_connected(const struct pg_session *session)
{
    return session->connection != NULL;
}

bool pg_session_is_in_transaction(const struct pg_session *session)
{
    PGTransactionStatusType status;

    if (session->connection == NULL)
        return false;
    status = PQtransactionStatus(session->connection);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

void pg_session_drop(struct pg_session *session)
{
    PQfinish(session->connection);
    session->connection = NULL;
}

uint64_t pg_session_connects(const struct pg_session *session)
{
    return session->connects;
}

size_t pg_session_failed_at(const struct pg_session *session)
{
    return session->failed_at;
}

bool pg_session_run(struct pg_session *session, const struct pg_statement *statements, size_t count,
                    PGresult **results, int64_t deadline_ms, struct bus_err *err)
{
    int64_t deadline_us = machine_now_us() + deadline_ms * 1000;

    for (size_t i = 0; i < count; i++)
        results[i] = NULL;
    session->failed_at = SIZE_MAX;
    if (!pg_session_connect(session, deadline_ms, err))
        return false;
    if (send_statements(session, statements, count, err) &&
        collect(session, results, count, deadline_us, err))
        return true;
    for (size_t i = 0; i < count; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
    return false;
}

bool pg_session_command(struct pg_session *session, const char *sql, int64_t deadline_ms, struct bus_err *err)
{
    const struct pg_statement statement = {.sql = sql};
    PGresult *result;

    if (!pg_session_run(session, &statement, 1, &result, deadline_ms, err))
        return false;
    PQclear(result);
    return true;
}

int pg_session_socket(const struct pg_session *session)
{
    return session->connection != NULL ? PQsocket(session->connection) : -1;
}

bool pg_session_receive(struct pg_session *session, struct bus_err *err)
{
    if (session->connection == NULL)
        return bus_err_set(err, BUS_ERR_CONNECT, "no connection");
    if (PQconsumeInput(session->connection) == 0)
        return fail_connection(session, err);
    (void)PQisBusy(session->connection);
    if (PQstatus(session->connection) == CONNECTION_BAD)
        return fail_connection(session, err);
    return true;
}

bool pg_session_take_notification(struct pg_session *session, char *payload, size_t size)
{
    PGnotify *notification = session->connection != NULL ? PQnotifies(session->connection) : NULL;

    if (notification == NULL)
        return false;
    (void)snprintf(payload, size, "%s", notification->extra);
    PQfreemem(notification);
    return true;
}

bool bus_err_set(struct bus_err *err, enum bus_err_code code, const char *format, ...)
{
    va_list arguments;

    *err = (struct bus_err){.code = code};
    va_start(arguments, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    return false;
}
