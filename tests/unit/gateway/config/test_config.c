/*
 * Settings: every mistake is reported at once with its place, precedence holds, and the table agrees with
 * itself.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config/config.h"

static char path[] = "/tmp/freshet-test-config-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct config *load(const char *text)
{
    struct config *config = NULL;
    struct config_problems problems;
    write_file(text);
    if (!config_load(path, NULL, &config, &problems))
        fail_msg("%s: %s", problems.at[0].key, problems.at[0].reason);
    return config;
}

/* The reason given for `text`, which must be refused with exactly one problem. */
static void expect_problem(const char *text, int line, const char *key, const char *part)
{
    struct config *config = NULL;
    struct config_problems problems;
    write_file(text);
    assert_false(config_load(path, NULL, &config, &problems));
    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.at[0].line, line);
    assert_string_equal(problems.at[0].key, key);
    if (strstr(problems.at[0].reason, part) == NULL)
        fail_msg("'%s' does not contain '%s'", problems.at[0].reason, part);
    config_problems_fini(&problems);
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    struct config *config = load("");
    assert_string_equal(config->pg_host, "127.0.0.1");
    assert_int_equal(config->pg_port, 5432);
    assert_int_equal(config->db_update_frequency, 5000);
    assert_int_equal(config->mem_cache_size, 128 << 20);
    assert_null(config->pg_password);
    assert_false(config->pg_ssl);
    assert_int_equal(config->proxy_listen.count, 2);
    assert_int_equal(config->status_listen.count, 0);
    config_free(config);
}

static void a_line_may_end_in_a_comment_and_escape_the_sign(void **state)
{
    (void)state;
    struct config *config = load("pg_user = me # not you\npg_password = a\\#b\n\n   # nothing\n");
    assert_string_equal(config->pg_user, "me");
    assert_string_equal(config->pg_password, "a#b");
    config_free(config);
}

static void numbers_have_fractions_and_words_any_letters(void **state)
{
    (void)state;
    struct config *config =
        load("tracing_sampling_rate = 0.125\ntracing_instrumentations = Router, balancer\n");
    assert_true(config->tracing_sampling_rate == 0.125);
    assert_int_equal(config->tracing_instrumentations.count, 2);
    config_free(config);
    config = load("tracing_sampling_rate =\n");
    assert_true(config->tracing_sampling_rate == 0.01);
    assert_string_equal(config->tracing_instrumentations.at[0], "off");
    config_free(config);
}

static void every_problem_is_reported_with_its_line(void **state)
{
    (void)state;
    struct config *config = NULL;
    struct config_problems problems;
    write_file("pg_port = 0\nfoo bar\npg_ssl = maybe\nproxy_listen = nowhere\nmem_cache_size = 12x\n");
    assert_false(config_load(path, NULL, &config, &problems));
    assert_int_equal(problems.count, 5);
    config_problems_fini(&problems);
}

static void each_kind_explains_what_it_expects(void **state)
{
    (void)state;
    expect_problem("pg_port = 70000", 1, "pg_port", "65535 is the most");
    expect_problem("pg_port = 1.5", 1, "pg_port", "not a whole number");
    expect_problem("\npg_port = abc", 2, "pg_port", "not a number");
    expect_problem("db_update_frequency = 0", 1, "db_update_frequency", "0.05 is the least");
    expect_problem("log_level = loud", 1, "log_level", "debug info notice");
    expect_problem("mem_cache_size = 4q", 1, "mem_cache_size", "k, m, g");
    expect_problem("nginx_admin_client_max_body_size = 1099511627776g", 1, "nginx_admin_client_max_body_size",
                   "k, m, g");
    expect_problem("client_timeout = 2147484", 1, "client_timeout", "2147483 is the most");
    expect_problem("upstream_keepalive_pool_size = 2147483648", 1, "upstream_keepalive_pool_size",
                   "2147483647 is the most");
    expect_problem("dns_stale_ttl = 2147483648", 1, "dns_stale_ttl", "2147483647 is the most");
    expect_problem("tracing_sampling_rate = 1.01", 1, "tracing_sampling_rate", "1 is the most");
    expect_problem("tracing_sampling_rate = often", 1, "tracing_sampling_rate", "not a number");
    expect_problem("tracing_instrumentations = router, x", 1, "tracing_instrumentations", "'x': not one of");
    expect_problem("proxy_listen = 1.2.3.4:99999", 1, "proxy_listen", "between 0 and 65535");
    expect_problem("proxy_listen = 1.2.3.4:80 fast", 1, "proxy_listen", "is no flag");
    expect_problem("admin_listen = [::1:80", 1, "admin_listen", "[address]:port");
    expect_problem("node_id = 42", 1, "node_id", "not a UUID");
    expect_problem("nginx_worker_processes = none", 1, "nginx_worker_processes", "auto");
    expect_problem("cluster_log_retention = 10", 1, "cluster_log_retention", "20 times");
    expect_problem("ssl_cert = /a.pem", 1, "ssl_cert", "together");
    expect_problem("ssl_cert = /a.pem\nssl_cert_key = /a.key\nadmin_ssl_cert = /b.pem", 3, "admin_ssl_cert",
                   "together");
    expect_problem("pg_password = {vault://env/surely-not-set}", 1, "pg_password", "SURELY_NOT_SET");
}

static void environment_wins_over_the_file_and_our_name_over_the_alias(void **state)
{
    (void)state;
    setenv("KONG_PG_USER", "kong-user", 1);
    setenv("KONG_PG_DATABASE", "kong-db", 1);
    setenv("FRESHET_PG_USER", "our-user", 1);
    struct config *config = load("pg_user = file\npg_database = file\npg_host = 10.0.0.1\n");
    assert_string_equal(config->pg_user, "our-user");
    assert_string_equal(config->pg_database, "kong-db");
    assert_string_equal(config->pg_host, "10.0.0.1");
    config_free(config);
    unsetenv("KONG_PG_USER");
    unsetenv("KONG_PG_DATABASE");
    unsetenv("FRESHET_PG_USER");
}

static void a_reference_is_taken_from_the_environment(void **state)
{
    (void)state;
    setenv("MY_SECRET", "s3cret", 1);
    struct config *config = load("pg_password = {vault://env/my-secret}\n");
    assert_string_equal(config->pg_password, "s3cret");
    config_free(config);
    unsetenv("MY_SECRET");
}

/* A file with this text. */
static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_secret_may_be_in_a_file(void **state)
{
    (void)state;
    char secret[] = "/tmp/freshet-secret-XXXXXX";
    int file = mkstemp(secret);
    assert_true(file >= 0);
    close(file);
    write_text(secret, " s3cret#1\n");
    setenv("FRESHET_PG_PASSWORD", "other", 1);
    setenv("FRESHET_PG_PASSWORD_FILE", secret, 1);
    setenv("FRESHET_PG_USER_FILE", "/nowhere", 1); /* no secret, so no file */
    struct config *config = load("pg_password = file\npg_user = me\n");
    assert_string_equal(config->pg_password, "s3cret#1");
    assert_string_equal(config->pg_user, "me");
    config_free(config);
    unlink(secret);
    expect_problem("", 0, "pg_password", "cannot be read");
    expect_problem("", 0, "pg_password", secret);
    unsetenv("FRESHET_PG_PASSWORD");
    unsetenv("FRESHET_PG_PASSWORD_FILE");
    unsetenv("FRESHET_PG_USER_FILE");
}

static void replica_settings_inherit(void **state)
{
    (void)state;
    struct config *config = load("pg_port = 6000\npg_ssl = on\ndb_cache_ttl = 7\npg_ro_host = r\n");
    assert_int_equal(config->pg_ro_port, 6000);
    assert_true(config->pg_ro_ssl);
    assert_int_equal(config->db_cache_neg_ttl, 7000);
    config_free(config);
}

static void unknown_names_are_warnings(void **state)
{
    (void)state;
    struct config *config = load("no_such_thing = 1\nanonymous_reports = off\n");
    assert_int_equal(config->warnings.count, 2);
    assert_string_equal(config->warnings.at[0].key, "no_such_thing");
    config_free(config);
}

static void secrets_are_masked_and_differences_found(void **state)
{
    (void)state;
    struct config *before = load("pg_password = a\n");
    struct config *after = load("pg_password = b\n");
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].kind == CONFIG_SECRET && strcmp(config_keys[i].name, "pg_password") == 0) {
            char *shown = config_show(before, &config_keys[i]);
            assert_string_equal(shown, "******");
            free(shown);
        }
    }
    config_free(before);
    config_free(after);
}

static void count_change(void *arg, const struct config_key *key)
{
    (void)key;
    (*(size_t *)arg)++;
}

static void live_settings_are_taken_and_no_others(void **state)
{
    (void)state;
    struct config *to = load("trusted_ips = 10.0.0.1\nmem_cache_size = 1m\n");
    struct config *from = load("trusted_ips = 10.0.0.0/8, ::1\ndb_update_frequency = 0.125\naudit_log = off\n"
                               "redis_password = secret\nport_maps = 80:8000\nheaders = off\n"
                               "mem_cache_size = 2m\n");
    size_t changes = 0;
    config_take_live(to, from);
    config_compare(to, from, count_change, &changes);
    assert_int_equal(changes, 1);
    assert_int_equal(to->mem_cache_size, 1 << 20);
    assert_int_equal(to->db_update_frequency, 125);
    assert_string_equal(to->redis_password, "secret");
    config_free(from);
    config_free(to);
}

static void the_described_file_loads_without_a_problem(void **state)
{
    (void)state;
    char *text = config_describe();
    /* With every comment sign of a setting taken away, the file sets each to its default. */
    for (char *at = text; *at != '\0'; at++)
        if (at[0] == '\n' && at[1] == '#' && at[2] != ' ')
            at[1] = ' ';
    struct config *config = load(text);
    free(text);
    config_free(config);
}

static void a_listen_address_is_taken_apart(void **state)
{
    (void)state;
    struct config_listen listen;
    char reason[160];
    assert_true(config_parse_listen("[::1]:8443 ssl http2 backlog=77 ipv6only=off", &listen, reason));
    assert_int_equal(listen.port, 8443);
    assert_int_equal(listen.host.len, 3);
    assert_true(listen.ssl && listen.http2 && !listen.reuseport && !listen.ipv6only);
    assert_int_equal(listen.backlog, 77);
    assert_false(config_parse_listen("", &listen, reason));
    assert_false(config_parse_listen("host:80", &listen, reason));
}

static void off_counts_at_the_beginning_of_the_plugins(void **state)
{
    static const struct {
        const char *text;
        bool enabled;
    } rows[] = {
        {"plugins = bundled\n", true},        {"plugins = off\n", false},
        {"plugins = off, key-auth\n", false}, {"plugins = cors, off, key-auth\n", true},
        {"plugins = cors\n", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *config = load(rows[i].text);
        assert_int_equal(config_enables_plugin(config, "key-auth"), rows[i].enabled);
        config_free(config);
    }
}

static int make_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void refuse_bytes(const char *bytes, size_t size, size_t problem_count, const char *part)
{
    struct config *config = NULL;
    struct config_problems problems;
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_false(config_load(path, NULL, &config, &problems));
    assert_int_equal(problems.count, problem_count);
    assert_non_null(strstr(problems.at[problem_count - 1].reason, part));
    config_problems_fini(&problems);
}

static void rubbish_is_told_to_be_that(void **state)
{
    enum {
        SIZE = 2 * 1024 * 1024
    };
    char *text = malloc(SIZE);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', SIZE);
    refuse_bytes(text, SIZE, 1, "larger");
    refuse_bytes(text, 100000, 1, "name = value"); /* one long line */
    text[10] = '\0';
    refuse_bytes(text, 100, 1, "NUL");
    for (size_t i = 0; i < 10000; i += 2)
        memcpy(text + i, "x\n", 2);
    refuse_bytes(text, 10000, 5000, "name = value");
    refuse_bytes("\x7f"
                 "ELF=\xff\n= 1\n==\npg_port = 0x\xff\npg_port",
                 32, 2, "name = value");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(a_line_may_end_in_a_comment_and_escape_the_sign),
        cmocka_unit_test(numbers_have_fractions_and_words_any_letters),
        cmocka_unit_test(every_problem_is_reported_with_its_line),
        cmocka_unit_test(each_kind_explains_what_it_expects),
        cmocka_unit_test(environment_wins_over_the_file_and_our_name_over_the_alias),
        cmocka_unit_test(a_reference_is_taken_from_the_environment),
        cmocka_unit_test(a_secret_may_be_in_a_file),
        cmocka_unit_test(replica_settings_inherit),
        cmocka_unit_test(unknown_names_are_warnings),
        cmocka_unit_test(secrets_are_masked_and_differences_found),
        cmocka_unit_test(the_described_file_loads_without_a_problem),
        cmocka_unit_test(live_settings_are_taken_and_no_others),
        cmocka_unit_test(a_listen_address_is_taken_apart),
        cmocka_unit_test(rubbish_is_told_to_be_that),
        cmocka_unit_test(off_counts_at_the_beginning_of_the_plugins),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
