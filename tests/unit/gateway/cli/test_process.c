/*
 * Commands to the node in a prefix: none there, and one that answers signals as a node does (a child of the
 * test). Texts and exit codes of the data-plane reference, section 12.
 */

#include <signal.h>
#include <sys/wait.h>

#include "terminal.h"

static pid_t node; /* the child; 0: none */

enum behaviour {
    NODE_POLITE,   /* ends on TERM and QUIT */
    NODE_STUBBORN, /* does not end on QUIT */
};

/* In the child: no allocation of the test is its own, so it leaves by _exit(). */
static void be_a_node(enum behaviour behaviour, const char *reload_result, int ready)
{
    sigset_t signals;
    int lock = -1;
    int got = 0;
    struct err err;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGQUIT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)alarm(60); /* never outlives a test that failed */
    if (!prefix_lock(terminal.prefix, &lock, &err) || !prefix_write_pid(lock, &err) ||
        write(ready, "+", 1) != 1)
        _exit(1);
    while (sigwait(&signals, &got) == 0) {
        if (got == SIGHUP && prefix_read(terminal.prefix, "reload_result") != NULL)
            reload_result = "[error] the last result is still there\n";
        if (got == SIGHUP && !prefix_write(terminal.prefix, "reload_result", reload_result, &err))
            _exit(1);
        if (got == SIGTERM || (got == SIGQUIT && behaviour == NODE_POLITE))
            _exit(got == SIGTERM ? 15 : 3);
    }
    _exit(1);
}

static void start_node(enum behaviour behaviour, const char *reload_result)
{
    int ready[2];
    char byte;
    struct err err;

    assert_true(prefix_prepare(terminal.prefix, &err));
    assert_int_equal(pipe(ready), 0);
    node = fork();
    if (node == 0)
        be_a_node(behaviour, reload_result, ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

/* How the node has ended. */
static int node_status(void)
{
    int status = 0;
    assert_int_equal(waitpid(node, &status, 0), node);
    node = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int teardown(void **state)
{
    if (node > 0) {
        (void)kill(node, SIGKILL);
        (void)waitpid(node, NULL, 0);
        node = 0;
    }
    return terminal_teardown(state);
}

static int run(const char *command)
{
    return terminal_run(command, "-c", terminal.file, NULL);
}

static const char *const commands[] = {"stop", "quit", "reload", "upgrade", "health"};

static void without_a_prefix_there_is_nobody_to_speak_to(void **state)
{
    char text[512];
    (void)state;
    for (size_t i = 0; i < COUNT(commands); i++) {
        assert_int_equal(run(commands[i]), 1);
        terminal_assert("", terminal_text(text, "Error: no such prefix: %s\n", terminal.prefix));
    }
}

static void where_nothing_runs_that_is_said(void **state)
{
    char text[512];
    struct err err;
    (void)state;
    assert_true(prefix_prepare(terminal.prefix, &err));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(commands[i]), 1);
        terminal_assert("", terminal_text(text, "Error: Freshet is not running in %s\n", terminal.prefix));
    }
    assert_int_equal(run("health"), 1);
    terminal_assert("", terminal_text(text, "Error: Freshet is not running at %s\n", terminal.prefix));
}

static void the_prefix_of_the_command_line_counts_before_the_settings(void **state)
{
    (void)state;
    start_node(NODE_POLITE, "");
    assert_int_equal(terminal_run("health", "-c", terminal.file, "-p", "/nowhere/at/all", NULL), 1);
    terminal_assert("", "Error: no such prefix: /nowhere/at/all\n");
    assert_int_equal(terminal_run("health", "-p", terminal.prefix, NULL), 0);
}

static void health_names_what_runs(void **state)
{
    char text[512];
    (void)state;
    start_node(NODE_POLITE, "");
    assert_int_equal(run("health"), 0);
    terminal_assert(
        terminal_text(text, "freshet.......running\n\nFreshet is healthy at %s\n", terminal.prefix), "");
}

static void stop_ends_the_node_at_once(void **state)
{
    (void)state;
    start_node(NODE_STUBBORN, "");
    assert_int_equal(run("stop"), 0);
    terminal_assert("Freshet stopped\n", "");
    assert_int_equal(node_status(), 15);
    assert_int_equal(run("health"), 1);
}

static void a_node_can_be_stopped_though_its_settings_are_broken(void **state)
{
    (void)state;
    start_node(NODE_POLITE, "");
    terminal_write_settings("log_level = loud\n");
    assert_int_equal(run("stop"), 1);
    assert_non_null(strstr(terminal.err, "log_level"));
    assert_int_equal(terminal_run("stop", "-c", terminal.file, "-p", terminal.prefix, NULL), 0);
    terminal_assert("Freshet stopped\n", "");
    assert_int_equal(node_status(), 15);
}

static void quit_lets_it_end_by_itself(void **state)
{
    (void)state;
    start_node(NODE_POLITE, "");
    assert_int_equal(run("quit"), 0);
    terminal_assert("Freshet stopped (gracefully)\n", "");
    assert_int_equal(node_status(), 3);
}

static void quit_has_no_endless_patience(void **state)
{
    (void)state;
    start_node(NODE_STUBBORN, "");
    assert_int_equal(terminal_run("quit", "-t", "0", "-c", terminal.file, NULL), 0);
    terminal_assert("Timeout, Freshet stopped forcefully\n", "");
    assert_int_equal(node_status(), 15);
}

static void reload_tells_what_the_node_says(void **state)
{
    (void)state;
    start_node(NODE_POLITE, "log_level: applied\n");
    assert_true(prefix_write(terminal.prefix, "reload_result", "of another time\n", NULL));
    assert_int_equal(run("reload"), 0);
    terminal_assert("log_level: applied\nFreshet reloaded\n", "");
}

static void a_reload_that_the_node_refuses_is_a_failure(void **state)
{
    (void)state;
    start_node(NODE_POLITE, "[error] freshet.conf:1: pg_port: no\n");
    assert_int_equal(run("reload"), 1);
    terminal_assert("", "[error] freshet.conf:1: pg_port: no\nError: nothing was changed\n");
}

static void a_second_start_is_refused(void **state)
{
    char text[512];
    (void)state;
    start_node(NODE_POLITE, "");
    assert_int_equal(run("start"), 1);
    terminal_assert("", terminal_text(text, "Error: Freshet is already running in %s\n", terminal.prefix));
    assert_int_equal(terminal.served, 0);
    assert_int_equal(run("health"), 0); /* and the first one has not noticed */
}

static void a_restart_stops_first_and_then_starts_like_any_other(void **state)
{
    (void)state;
    start_node(NODE_POLITE, "");
    assert_int_equal(terminal_run("restart", "-c", terminal.file, "--db-timeout", "0", NULL), 1);
    assert_string_equal(terminal.out, "Freshet stopped\n");
    assert_int_equal(strncmp(terminal.err, "Error: ", 7), 0); /* there is no database */
    assert_int_equal(node_status(), 15);
}

int main(void)
{
#define PROCESS(test) cmocka_unit_test_setup_teardown(test, terminal_setup, teardown)
    const struct CMUnitTest tests[] = {
        PROCESS(without_a_prefix_there_is_nobody_to_speak_to),
        PROCESS(where_nothing_runs_that_is_said),
        PROCESS(the_prefix_of_the_command_line_counts_before_the_settings),
        PROCESS(health_names_what_runs),
        PROCESS(stop_ends_the_node_at_once),
        PROCESS(a_node_can_be_stopped_though_its_settings_are_broken),
        PROCESS(quit_lets_it_end_by_itself),
        PROCESS(quit_has_no_endless_patience),
        PROCESS(reload_tells_what_the_node_says),
        PROCESS(a_reload_that_the_node_refuses_is_a_failure),
        PROCESS(a_second_start_is_refused),
        PROCESS(a_restart_stops_first_and_then_starts_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
