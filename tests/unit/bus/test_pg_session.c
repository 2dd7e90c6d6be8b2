/* One connection to Postgres: nothing waits without a deadline, and nothing is left half answered. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "tests/unit/bus/servers.h"

struct fixture {
    struct servers servers;
    struct pg_session *session;
    struct pg_session *other;
    bool usable;
};

static int set_up(void **state)
{
    struct fixture *f = machine_alloc(sizeof(*f));

    *state = f;
    f->usable = servers_start_postgres(&f->servers);
    if (f->usable) {
        const struct pg_options options = servers_pg_options(&f->servers);

        f->session = pg_session_new(&options);
        f->other = pg_session_new(&options);
    }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pg_session_free(f->session);
    pg_session_free(f->other);
    servers_stop(&f->servers);
    free(f);
    return 0;
}

static struct fixture *need(void **state)
{
    struct fixture *f = *state;
    struct bus_err ignored;

    if (!f->usable)
        skip();
    if (pg_session_is_in_transaction(f->session))
        (void)pg_session_command(f->session, "ROLLBACK", 1000, &ignored);
    return f;
}

static void terminate_session(struct fixture *f)
{
    (void)ask_sql(f->other, "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE pid <> "
                            "pg_backend_pid() AND backend_type = 'client backend'");
}

static void results_come_in_the_order_of_the_statements(void **state)
{
    struct fixture *f = need(state);
    const char *const params[2] = {"7", NULL};
    const struct pg_statement statements[3] = {
        {.sql = "SELECT 1"},
        {.sql = "SELECT $1::int * 6, $2::text IS NULL", .param_count = 2, .params = params},
        {.sql = "SELECT generate_series(1, 3)"},
    };
    PGresult *results[3];
    struct bus_err err;

    assert_true(pg_session_run(f->session, statements, 3, results, 5000, &err));
    assert_string_equal(PQgetvalue(results[0], 0, 0), "1");
    assert_string_equal(PQgetvalue(results[1], 0, 0), "42");
    assert_string_equal(PQgetvalue(results[1], 0, 1), "t");
    assert_int_equal(PQntuples(results[2]), 3);
    for (int i = 0; i < 3; i++)
        PQclear(results[i]);
}

static void a_refused_statement_keeps_the_rest_from_running(void **state)
{
    struct fixture *f = need(state);
    const struct pg_statement statements[3] = {{.sql = "CREATE TABLE before_refusal (a int)"},
                                               {.sql = "SELECT 1/0"},
                                               {.sql = "CREATE TABLE behind (a int)"}};
    PGresult *results[3];
    struct bus_err err;

    assert_false(pg_session_run(f->session, statements, 3, results, 5000, &err));
    assert_int_equal(err.code, BUS_ERR_SQL);
    assert_string_equal(err.sqlstate, "22012");
    assert_int_equal(pg_session_failed_at(f->session), 1);
    assert_null(results[0]);
    assert_true(pg_session_is_connected(f->session));
    assert_string_equal(ask_sql(f->session, "SELECT to_regclass('before_refusal') IS NULL"), "t");
    assert_string_equal(ask_sql(f->session, "SELECT to_regclass('behind') IS NULL"), "t");
}

static void a_violated_constraint_is_named(void **state)
{
    struct fixture *f = need(state);
    struct bus_err err;

    (void)ask_sql(f->session, "CREATE TABLE named (a int CONSTRAINT a_is_small CHECK (a < 5))");
    assert_false(pg_session_command(f->session, "INSERT INTO named VALUES (7)", 5000, &err));
    assert_string_equal(err.sqlstate, "23514");
    assert_string_equal(err.constraint, "a_is_small");
}

static void a_passed_deadline_closes_the_connection(void **state)
{
    struct fixture *f = need(state);
    int64_t started_us;
    struct bus_err err;

    assert_true(pg_session_connect(f->session, 5000, &err));
    started_us = machine_now_us();
    assert_false(pg_session_command(f->session, "SELECT pg_sleep(5)", 200, &err));
    assert_int_equal(err.code, BUS_ERR_DEADLINE);
    assert_in_range(machine_now_us() - started_us, 190000, 1000000);
    assert_false(pg_session_is_connected(f->session));
    assert_string_equal(ask_sql(f->session, "SELECT 'again'"), "again");
}

static void a_connection_closed_while_idle_is_replaced_silently(void **state)
{
    struct fixture *f = need(state);
    uint64_t connects;

    (void)ask_sql(f->session, "SELECT 1");
    connects = pg_session_connects(f->session);
    terminate_session(f);
    assert_string_equal(ask_sql(f->session, "SELECT 'back'"), "back");
    assert_int_equal(pg_session_connects(f->session), connects + 1);
}

static void a_transaction_on_a_broken_connection_is_reported_as_lost(void **state)
{
    struct fixture *f = need(state);
    struct bus_err err;

    (void)ask_sql(f->session, "BEGIN");
    assert_true(pg_session_is_in_transaction(f->session));
    terminate_session(f);
    assert_false(pg_session_command(f->session, "CREATE TABLE lost (a int)", 5000, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    assert_false(pg_session_is_connected(f->session));
    assert_false(pg_session_is_in_transaction(f->session));
    assert_string_equal(ask_sql(f->session, "SELECT to_regclass('lost') IS NULL"), "t");
}

static void *terminate_soon(void *arg)
{
    pause_ms(200);
    terminate_session(arg);
    return NULL;
}

static void a_connection_that_breaks_under_a_statement_is_reported(void **state)
{
    struct fixture *f = need(state);
    struct bus_err err;
    pthread_t thread;

    (void)ask_sql(f->session, "SELECT 1");
    assert_int_equal(pthread_create(&thread, NULL, terminate_soon, f), 0);
    assert_false(pg_session_command(f->session, "SELECT pg_sleep(10)", 9000, &err));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    assert_string_equal(err.sqlstate, "57P01");
    assert_false(pg_session_is_connected(f->session));
}

static void a_failed_transaction_can_be_rolled_back(void **state)
{
    struct fixture *f = need(state);
    struct bus_err err;

    (void)ask_sql(f->session, "BEGIN");
    assert_false(pg_session_command(f->session, "SELECT nothing", 5000, &err));
    assert_true(pg_session_is_in_transaction(f->session));
    assert_true(pg_session_command(f->session, "ROLLBACK", 5000, &err));
    assert_false(pg_session_is_in_transaction(f->session));
}

static void the_schema_is_the_search_path_whatever_its_name(void **state)
{
    struct fixture *f = need(state);
    struct pg_options options = servers_pg_options(&f->servers);
    struct pg_session *session;

    options.schema = "odd \"na\\me";
    (void)ask_sql(f->session, "CREATE SCHEMA \"odd \"\"na\\me\"");
    session = pg_session_new(&options);
    assert_string_equal(ask_sql(session, "SELECT current_schema()"), "odd \"na\\me");
    pg_session_free(session);
}

static void a_server_that_refuses_writes_is_not_taken_for_the_primary(void **state)
{
    struct fixture *f = need(state);
    struct pg_options options = servers_pg_options(&f->servers);
    struct pg_session *session;
    struct bus_err err;

    (void)ask_sql(f->session, "CREATE DATABASE read_only");
    (void)ask_sql(f->session, "ALTER DATABASE read_only SET default_transaction_read_only = on");
    options.database = "read_only";
    session = pg_session_new(&options);
    assert_false(pg_session_connect(session, 5000, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    pg_session_free(session);
    options.read_only = true;
    session = pg_session_new(&options);
    assert_true(pg_session_connect(session, 5000, &err));
    pg_session_free(session);
}

static void large_statements_and_results_pass(void **state)
{
    struct fixture *f = need(state);
    size_t size = (size_t)8 << 20;
    char *text = machine_alloc(size + 1);
    const char *const params[1] = {text};
    struct pg_statement statements[4];
    PGresult *results[4];
    struct bus_err err;

    memset(text, 'x', size);
    for (int i = 0; i < 4; i++)
        statements[i] = (struct pg_statement){.sql = "SELECT $1::text", .param_count = 1, .params = params};
    assert_true(pg_session_run(f->session, statements, 4, results, 20000, &err));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(PQgetlength(results[i], 0, 0), size);
        PQclear(results[i]);
    }
    free(text);
}

static void a_host_that_never_answers_costs_the_deadline(void **state)
{
    struct fixture *f = need(state);
    struct pg_options options = servers_pg_options(&f->servers);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct pg_session *session;
    int64_t started_us;
    struct bus_err err;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.6000", f->servers.directory);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 5), 0);
    options.port = 6000;
    session = pg_session_new(&options);
    started_us = machine_now_us();
    assert_false(pg_session_connect(session, 300, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    assert_in_range(machine_now_us() - started_us, 290000, 1500000);
    pg_session_free(session);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_come_in_the_order_of_the_statements),
        cmocka_unit_test(a_refused_statement_keeps_the_rest_from_running),
        cmocka_unit_test(a_violated_constraint_is_named),
        cmocka_unit_test(a_passed_deadline_closes_the_connection),
        cmocka_unit_test(a_connection_closed_while_idle_is_replaced_silently),
        cmocka_unit_test(a_transaction_on_a_broken_connection_is_reported_as_lost),
        cmocka_unit_test(a_connection_that_breaks_under_a_statement_is_reported),
        cmocka_unit_test(a_failed_transaction_can_be_rolled_back),
        cmocka_unit_test(the_schema_is_the_search_path_whatever_its_name),
        cmocka_unit_test(a_server_that_refuses_writes_is_not_taken_for_the_primary),
        cmocka_unit_test(large_statements_and_results_pass),
        cmocka_unit_test(a_host_that_never_answers_costs_the_deadline),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
