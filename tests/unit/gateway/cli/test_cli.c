/*
 * The command line: commands, options, and what is said about those that are none (data-plane reference, 12).
 */

#include "gateway/cli/database.h"
#include "terminal.h"

static void assert_starts(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("'%s' does not start with '%s'", text, start);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not have '%s'", text, part);
}

static void without_a_command_the_usage_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(terminal_run(NULL), 1);
    assert_string_equal(terminal.out, "");
    assert_starts(terminal.err, "Usage: freshet COMMAND [options]\n\n  freshet start ");
}

static void help_is_the_usage_and_success(void **state)
{
    static const char *const words[] = {"--help", "-h", "help"};
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        assert_int_equal(terminal_run(words[i], NULL), 0);
        assert_starts(terminal.out, "Usage: freshet COMMAND [options]\n");
        assert_string_equal(terminal.err, "");
    }
}

static void every_command_of_ours_is_in_the_usage(void **state)
{
    static const char *const commands[] = {"start",  "stop",  "quit",    "restart",    "reload", "upgrade",
                                           "health", "check", "prepare", "migrations", "config", "version"};
    (void)state;
    (void)terminal_run("help", NULL);
    for (size_t i = 0; i < COUNT(commands); i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "\n  freshet %s ", commands[i]);
        assert_has(terminal.out, line);
    }
}

static void an_unknown_command_is_named(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("dance", "--conf", "x", NULL), 1);
    assert_starts(terminal.err, "No such command: dance\n\nUsage: freshet COMMAND");
    assert_int_equal(terminal_run("star", NULL), 1); /* no guesses */
    assert_starts(terminal.err, "No such command: star\n");
}

static void options_that_cannot_be_are_refused_before_anything_runs(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("start", "--fly", NULL), 1);
    terminal_assert("", "Error: unknown option --fly\n");
    assert_int_equal(terminal_run("check", "-c", NULL), 1);
    terminal_assert("", "Error: --conf needs a value\n");
    assert_int_equal(terminal_run("start", "--db-timeout", "soon", NULL), 1);
    terminal_assert("", "Error: --db-timeout: 'soon' is not a number of seconds\n");
    assert_int_equal(terminal_run("start", "--lock-timeout", "-1", NULL), 1);
    terminal_assert("", "Error: --lock-timeout: '-1' is not a number of seconds\n");
    assert_int_equal(terminal_run("quit", "-t", "86401", NULL), 1);
    terminal_assert("", "Error: --timeout: '86401' is not a number of seconds\n");
    assert_int_equal(terminal_run("version", "1", "2", "3", "4", "5", NULL), 1);
    terminal_assert("", "Error: too many words: 5\n");
    assert_int_equal(terminal.served, 0);
}

static void verbosity_is_accepted_everywhere(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("version", "--v", "--vv", NULL), 0);
    terminal_assert(FRESHET_VERSION "\n", "");
}

static void the_version_is_bare_and_with_a_has_libraries(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("version", NULL), 0);
    terminal_assert(FRESHET_VERSION "\n", "");
    assert_int_equal(terminal_run("version", "-a", NULL), 0);
    assert_starts(terminal.out, FRESHET_VERSION "\n");
    assert_has(terminal.out, "\ncJSON: ");
}

/* ---- check ---- */

static void write_bad(char path[160], const char *text)
{
    (void)snprintf(path, 160, "%s/bad.conf", terminal.directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void good_settings_are_called_valid(void **state)
{
    char text[512];
    (void)state;
    assert_int_equal(terminal_run("check", terminal.file, NULL), 0);
    terminal_assert(terminal_text(text, "configuration at %s is valid\n", terminal.file), "");
    assert_int_equal(terminal_run("check", "-c", terminal.file, NULL), 0);
    terminal_assert(text, "");
}

static size_t count_lines(const char *text, const char *start)
{
    size_t count = 0;
    for (const char *line = text; line != NULL && *line != '\0';
         line = strchr(line, '\n'), line += line != NULL)
        count += strncmp(line, start, strlen(start)) == 0;
    return count;
}

static void every_mistake_is_told_at_once_with_its_place(void **state)
{
    static const char *const expected[] = {":1: pg_port: ", ":2: proxy_listen: ", ":4: log_level: ", ":5: "};
    char path[160];
    char wanted[256];
    (void)state;
    write_bad(path, "pg_port = none\nproxy_listen = here\n# fine\nlog_level = loud\nthis is no setting\n");
    assert_int_equal(terminal_run("check", path, NULL), 1);
    assert_string_equal(terminal.out, "");
    assert_int_equal(count_lines(terminal.err, "[error] "), 4);
    for (size_t i = 0; i < COUNT(expected); i++) {
        (void)snprintf(wanted, sizeof(wanted), "[error] %s%s", path, expected[i]);
        assert_has(terminal.err, wanted);
    }
    assert_has(terminal.err, "'loud'");
    assert_int_equal(terminal_run("start", "-c", path, NULL), 1);
    assert_int_equal(count_lines(terminal.err, "[error] "), 4);
    assert_has(terminal.err, "Error: the settings above are wrong; nothing was started\n");
    assert_int_equal(terminal.served, 0);
}

static void unknown_names_are_a_warning(void **state)
{
    char path[160];
    char text[512];
    (void)state;
    write_bad(path, "\nnonsense = 1\n");
    assert_int_equal(terminal_run("check", path, NULL), 0);
    assert_string_equal(terminal.err,
                        terminal_text(text, "[warn] %s:2: nonsense: unknown setting, ignored\n", path));
    assert_starts(terminal.out, "configuration at ");
}

static void a_file_that_is_not_there_is_a_mistake(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("check", "/nowhere/freshet.conf", NULL), 1);
    terminal_assert("", "[error] /nowhere/freshet.conf: cannot be read: No such file or directory\n");
}

static void the_description_is_a_file_of_settings(void **state)
{
    char path[160];
    (void)state;
    assert_int_equal(terminal_run("check", "--describe", NULL), 0);
    assert_has(terminal.out, "\n#pg_port = 5432\n");
    write_bad(path, terminal.out);
    assert_int_equal(terminal_run("check", path, NULL), 0);
    assert_string_equal(terminal.err, "");
}

/* ---- migrations, start ---- */

static void an_unknown_verb_of_migrations_is_named(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("migrations", "fly", NULL), 1);
    terminal_assert("", "Error: No such command for migrations: fly\n");
    assert_int_equal(terminal_run("migrations", NULL), 1);
    terminal_assert("", "Error: No such command for migrations: \n");
}

static void there_is_never_anything_to_finish(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("migrations", "finish", "-c", terminal.file, NULL), 0);
    terminal_assert("No pending migrations to finish\n", "");
    assert_int_equal(terminal_run("migrations", "finish", "-q", "-c", terminal.file, NULL), 0);
    terminal_assert("", "");
}

static void a_reset_that_nobody_confirms_is_refused(void **state)
{
    (void)state;
    assert_non_null(freopen("/dev/null", "r", stdin));
    assert_int_equal(terminal_run("migrations", "reset", "-c", terminal.file, NULL), 1);
    terminal_assert("", "Error: not a terminal: 'migrations reset' needs -y\n");
}

static void without_a_database_nothing_starts(void **state)
{
    static const char *const verbs[] = {"bootstrap", "up", "list", "status"};
    (void)state;
    assert_int_equal(terminal_run("start", "-c", terminal.file, "--db-timeout", "0", NULL), 1);
    assert_string_equal(terminal.out, "");
    assert_starts(terminal.err, "Error: ");
    assert_int_equal(terminal.served, 0);
    assert_int_equal(prefix_running(terminal.prefix), 0); /* the lock was let go */
    for (size_t i = 0; i < COUNT(verbs); i++) {
        assert_int_equal(terminal_run("migrations", verbs[i], "-c", terminal.file, "--db-timeout", "0", NULL),
                         1);
        assert_string_equal(terminal.out, "");
        assert_starts(terminal.err, "Error: ");
    }
}

static void prepare_makes_the_directory_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(terminal_run("prepare", "-c", terminal.file, NULL), 0);
    terminal_assert("", "");
    assert_true(prefix_exists(terminal.prefix));
    assert_int_equal(terminal_run("prepare", "-c", terminal.file, NULL), 0); /* again is fine */
    assert_int_equal(terminal_run("prepare", "-p", "/dev/null/x", NULL), 1);
    assert_starts(terminal.err, "Error: cannot make directory /dev/null");
}

/* ---- settings of the database ---- */

static struct config *load(const char *settings)
{
    struct config *config = NULL;
    struct config_problems problems;
    terminal_write_settings(settings);
    if (!config_load(terminal.file, NULL, &config, &problems))
        fail_msg("%s: %s", problems.at[0].key, problems.at[0].reason);
    return config;
}

static void settings_of_the_database_become_options_of_a_session(void **state)
{
    struct pg_options options;
    (void)state;
    struct config *config =
        load("pg_user = me\npg_password = secret\npg_database = db\npg_schema = own\npg_timeout = 1500\n"
             "pg_ssl = on\npg_ssl_verify = on\nlua_ssl_trusted_certificate = system\n");
    database_options(config, /* replica= */ false, &options);
    assert_string_equal(options.host, "127.0.0.1");
    assert_int_equal(options.port, 1);
    assert_string_equal(options.user, "me");
    assert_string_equal(options.password, "secret");
    assert_string_equal(options.database, "db");
    assert_string_equal(options.schema, "own");
    assert_int_equal(options.connect_timeout_ms, 1500);
    assert_true(options.ssl && options.ssl_verify);
    assert_null(options.ssl_ca_file);
    assert_false(options.read_only);
    database_options(config, /* replica= */ true, &options);
    assert_null(options.host);
    assert_true(options.read_only);
    config_free(config);
}

static void a_replica_has_its_own_and_inherits_the_rest(void **state)
{
    struct pg_options options;
    (void)state;
    struct config *config = load("pg_user = me\npg_ro_host = standby\npg_ro_port = 2\npg_ro_user = reader\n");
    database_options(config, /* replica= */ true, &options);
    assert_string_equal(options.host, "standby");
    assert_int_equal(options.port, 2);
    assert_string_equal(options.user, "reader");
    assert_string_equal(options.database, config->pg_database);
    database_options(config, /* replica= */ false, &options);
    assert_string_equal(options.user, "me");
    config_free(config);
}

static void declarative_files_are_written_once_and_read(void **state)
{
    char file[96];
    (void)state;
    (void)snprintf(file, sizeof(file), "%s/kong.yml", terminal.directory);
    assert_int_equal(terminal_run("config", "init", file, NULL), 0);
    terminal_assert("", "");
    assert_int_equal(terminal_run("config", "init", file, NULL), 1);
    assert_has(terminal.err, "already exists, and is not overwritten\n");
    assert_int_equal(terminal_run("config", "parse", file, "-c", terminal.file, NULL), 0);
    terminal_assert("parse successful\n", "");
    assert_int_equal(terminal_run("config", "parse", "-c", terminal.file, NULL), 1);
    terminal_assert("", "Error: config parse needs the name of a file\n");
    assert_int_equal(terminal_run("config", "fly", NULL), 1);
    terminal_assert("", "Error: No such command for config: fly\n");
    assert_int_equal(terminal_run("config", "db_export", file, "-c", terminal.file, NULL), 1);
    assert_has(terminal.err, "already exists, and is not overwritten\n");
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, terminal_setup, terminal_teardown)
    const struct CMUnitTest tests[] = {
        RUN(without_a_command_the_usage_is_a_failure),
        RUN(declarative_files_are_written_once_and_read),
        RUN(help_is_the_usage_and_success),
        RUN(every_command_of_ours_is_in_the_usage),
        RUN(an_unknown_command_is_named),
        RUN(options_that_cannot_be_are_refused_before_anything_runs),
        RUN(verbosity_is_accepted_everywhere),
        RUN(the_version_is_bare_and_with_a_has_libraries),
        RUN(good_settings_are_called_valid),
        RUN(every_mistake_is_told_at_once_with_its_place),
        RUN(unknown_names_are_a_warning),
        RUN(a_file_that_is_not_there_is_a_mistake),
        RUN(the_description_is_a_file_of_settings),
        RUN(an_unknown_verb_of_migrations_is_named),
        RUN(there_is_never_anything_to_finish),
        RUN(a_reset_that_nobody_confirms_is_refused),
        RUN(without_a_database_nothing_starts),
        RUN(prepare_makes_the_directory_and_nothing_else),
        RUN(settings_of_the_database_become_options_of_a_session),
        RUN(a_replica_has_its_own_and_inherits_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
