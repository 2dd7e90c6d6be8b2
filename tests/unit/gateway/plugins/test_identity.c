/*
 * What every plugin that authenticates does while it waits, when the database is away, and with those who are
 * nobody; and that groups are kept as one list (data-plane reference, 9.4).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/miss_limit.h"
#include "gateway/plugins/acl.h"
#include "gateway/plugins/basic_auth.h"
#include "gateway/plugins/hmac_auth.h"
#include "gateway/plugins/jwt.h"
#include "gateway/plugins/jwt_secrets.h"
#include "gateway/plugins/key_auth.h"
#include "tests/support/memory_exchange.h"

#define ANN    "8fd5b1a0-0000-4000-8000-0000000000aa"
#define ROW    "\"id\":\"c0000000-0000-4000-8000-000000000001\",\"consumer\":{\"id\":\"" ANN "\"}"
#define X_DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static const struct plugin *const plugins[] = {&jwt_plugin, &key_auth_plugin, &basic_auth_plugin,
                                               &hmac_auth_plugin, &acl_plugin};

/* One way to say who one is: Ann, each time. */
static const struct way {
    const struct plugin *plugin;
    const char *config; /* hides what it finds, where it can */
    const char *headers;
    const char *hidden; /* header that the upstream does not get; NULL: this plugin hides nothing */
    const char *identifier;
} ways[] = {
    {&key_auth_plugin, "{\"hide_credentials\":true", "apikey: good", "apikey",
     "c0000000-0000-4000-8000-000000000001"},
    {&basic_auth_plugin, "{\"hide_credentials\":true", "Authorization: Basic YW5uOm9wZW4=", "Authorization",
     "ann"},
    {&jwt_plugin, "{\"secret_is_base64\":false",
     "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJrIn0.W9UiBPS6tv1-NtZkSKm5aWVU_g1XfVnu-bvd8UAHxGk",
     NULL, "k"},
    {&hmac_auth_plugin, "{\"hide_credentials\":true,\"clock_skew\":1e11",
     "X-Date: " X_DATE
     "\nAuthorization: hmac username=\"ann\", algorithm=\"hmac-sha256\", headers=\"x-date\", "
     "signature=\"4oQgEGyVolgRX+oLLXgjWpTpoS8ALiU9lgRs7JSbbZs=\"",
     "Authorization", "ann"},
};

static struct memory_world world;

static int setup(void **state)
{
    (void)state;
    memory_world_open(&world, plugins, COUNT(plugins));
    memory_world_add_row(&world, &consumer_schema, "{\"id\":\"" ANN "\",\"username\":\"ann\"}");
    memory_world_add_row(&world, &consumer_schema,
                         "{\"id\":\"8fd5b1a0-0000-4000-8000-0000000000bb\",\"username\":\"nobody\"}");
    memory_world_add_row(&world, &keyauth_credentials_schema, "{" ROW ",\"key\":\"good\"}");
    memory_world_add_row(&world, &basicauth_credentials_schema,
                         "{" ROW
                         ",\"username\":\"ann\",\"password\":\"4db7946af46529c1cc63e107144b53d49b1f56f5\"}");
    memory_world_add_row(&world, &jwt_secrets_schema,
                         "{" ROW ",\"key\":\"k\",\"secret\":\"s3cret\",\"algorithm\":\"HS256\"}");
    memory_world_add_row(&world, &hmacauth_credentials_schema,
                         "{" ROW ",\"username\":\"ann\",\"secret\":\"s3cret\"}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_world_close(&world);
    return 0;
}

static void configure(const struct way *way, const char *anonymous)
{
    struct buf config = {0};

    buf_add_text(&config, way->config);
    if (anonymous != NULL)
        buf_printf(&config, ",\"anonymous\":\"%s\"", anonymous);
    buf_add_byte(&config, '}');
    memory_world_configure(&world, way->plugin, config.at, NULL, NULL);
    buf_fini(&config);
}

static void assert_upstream(const struct memory_exchange *exchange, const char *name, const char *value)
{
    struct str found = memory_exchange_header(exchange, name);

    if ((found.at == NULL) != (value == NULL) || !str_equal(found, str_of(value)))
        fail_msg("%s: '%.*s'", name, STR_ARG(found));
}

static const char *headers_of(const struct way *way)
{
    static char headers[512];

    (void)snprintf(headers, sizeof(headers), "X-Consumer-ID: forged\n%s", way->headers);
    return headers;
}

/* Each has a world of its own. */
static void with_each(void (*run)(const struct way *way))
{
    for (size_t i = 0; i < COUNT(ways); i++) {
        run(&ways[i]);
        (void)teardown(NULL);
        (void)setup(NULL);
    }
}

static void wait_twice(const struct way *way)
{
    configure(way, NULL);
    struct memory_exchange *exchange = memory_exchange_new(&world, "GET", "/", headers_of(way), NULL);
    for (int load = 0; load < 2; load++) {
        assert_int_equal(load == 0 ? memory_exchange_access(exchange) : exchange->result, CHAIN_WAIT);
        assert_int_equal(memory_world_waiting_loads(&world), 1);
        assert_upstream(exchange, "X-Consumer-ID", "forged"); /* nothing is changed before the end */
        if (way->hidden != NULL)
            assert_non_null(memory_exchange_header(exchange, way->hidden).at);
        memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    }
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_int_equal(exchange->runs, 3);
    assert_upstream(exchange, "X-Consumer-ID", ANN);
    assert_upstream(exchange, "X-Credential-Identifier", way->identifier);
    if (way->hidden != NULL)
        assert_upstream(exchange, way->hidden, NULL);
    memory_exchange_free(exchange);
}

static void a_credential_and_its_consumer_are_waited_for_one_after_the_other(void **state)
{
    (void)state;
    with_each(wait_twice);
}

static void refuse_without_database(const struct way *way)
{
    configure(way, "nobody");
    for (int works = 0; works < 2; works++) { /* at the credential, at its consumer */
        struct memory_exchange *exchange = memory_exchange_new(&world, "GET", "/", headers_of(way), NULL);
        assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
        if (works > 0 && memory_world_waiting_loads(&world) == 1 &&
            strstr(world.loads[0].key, "consumers:") == NULL)
            memory_world_answer(&world, MEMORY_DATABASE_WORKS);
        memory_world_answer(&world, MEMORY_DATABASE_FAILS);
        assert_int_equal(exchange->result, CHAIN_ANSWERED);
        assert_int_equal(exchange->chain.answer.status, 503);
        assert_true(str_equal(memory_exchange_answer_header(exchange, "Retry-After"), STR("1")));
        assert_null(exchange->chain.consumer);
        memory_exchange_free(exchange);
    }
}

static void without_an_answer_of_the_database_nobody_passes_not_even_as_nobody(void **state)
{
    (void)state;
    with_each(refuse_without_database);
}

static void leave_while_waiting(const struct way *way)
{
    configure(way, NULL);
    struct memory_exchange *exchange = memory_exchange_new(&world, "GET", "/", headers_of(way), NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_exchange_free(exchange);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
}

static void a_client_may_leave_meanwhile(void **state)
{
    (void)state;
    with_each(leave_while_waiting);
}

static uint64_t failures(void)
{
    return metrics_read(METRIC_PLUGIN_FAILURES);
}

static void fail_on_wrong_setting(const struct way *way)
{
    uint64_t before = failures();

    configure(way, "who is that");
    struct memory_exchange *exchange = memory_exchange_new(&world, "GET", "/", "", NULL);
    assert_int_equal(memory_exchange_finish(exchange), CHAIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, 500);
    assert_true(
        str_equal(exchange->chain.answer_body, STR("{\"message\":\"An unexpected error occurred\"}")));
    assert_int_equal(failures(), before + 1);
    memory_exchange_free(exchange);
}

static void an_anonymous_consumer_that_is_not_there_is_a_failure_and_counted(void **state)
{
    (void)state;
    with_each(fail_on_wrong_setting);
}

static enum chain_result ask_for_groups(const char *key, size_t *loads)
{
    char headers[64];
    size_t before = world.load_total;

    (void)snprintf(headers, sizeof(headers), "apikey: %s", key);
    struct memory_exchange *exchange = memory_exchange_new(&world, "GET", "/", headers, NULL);
    exchange->chain.client_address = STR("192.0.2.1");
    enum chain_result result = memory_exchange_finish(exchange);
    memory_exchange_free(exchange);
    *loads = world.load_total - before;
    return result;
}

static void groups_are_one_list_also_when_there_are_none(void **state)
{
    size_t loads;
    (void)state;

    memory_world_configure(&world, &key_auth_plugin, "{}", NULL, NULL);
    memory_world_configure(&world, &acl_plugin, "{\"deny\":[\"b\"]}", NULL, NULL);
    assert_int_equal(ask_for_groups("good", &loads), CHAIN_NEXT);
    assert_int_equal(loads, 3);           /* the key, its consumer, the groups it does not have */
    (void)ask_for_groups("good", &loads); /* an absence is kept from the second time on */
    assert_int_equal(ask_for_groups("good", &loads), CHAIN_NEXT);
    assert_int_equal(loads, 0);
}

/* Who is somebody guesses nothing: it costs the client no credit, and needs none. */
static void groups_that_are_not_there_are_not_held_against_the_client(void **state)
{
    const struct str client = STR("192.0.2.1");
    struct miss_limit *limit = miss_limit_new(1);
    size_t loads;
    (void)state;

    world.chain_world.miss_limit = limit;
    memory_world_configure(&world, &key_auth_plugin, "{}", NULL, NULL);
    memory_world_configure(&world, &acl_plugin, "{\"deny\":[\"b\"]}", NULL, NULL);
    assert_int_equal(ask_for_groups("good", &loads), CHAIN_NEXT);
    int64_t now_us = clock_now_us(clock_system());
    miss_limit_charge(limit, client, now_us);
    assert_true(miss_limit_allows(limit, client, now_us + 1)); /* that was the first charge */
    assert_int_equal(ask_for_groups("bad", &loads), CHAIN_ANSWERED);
    assert_int_equal(loads, 1);
    assert_false(miss_limit_allows(limit, client, clock_now_us(clock_system())));
    assert_int_equal(ask_for_groups("good", &loads), CHAIN_NEXT);
    assert_int_equal(loads, 1); /* the absence once more: it is kept from now on */
    world.chain_world.miss_limit = NULL;
    miss_limit_free(limit);
}

static void a_group_of_several_is_found_in_the_list(void **state)
{
    size_t loads;
    (void)state;

    memory_world_add_row(&world, &acls_schema, "{" ROW ",\"group\":\"a\"}");
    memory_world_add_row(&world, &acls_schema, "{" ROW ",\"group\":\"b\"}");
    memory_world_configure(&world, &key_auth_plugin, "{}", NULL, NULL);
    memory_world_configure(&world, &acl_plugin, "{\"deny\":[\"b\"]}", NULL, NULL);
    assert_int_equal(ask_for_groups("good", &loads), CHAIN_ANSWERED);
    assert_int_equal(loads, 3);
    assert_int_equal(ask_for_groups("good", &loads), CHAIN_ANSWERED);
    assert_int_equal(loads, 0);
}

static void without_an_answer_about_groups_nobody_passes(void **state)
{
    (void)state;
    memory_world_configure(&world, &key_auth_plugin, "{}", NULL, NULL);
    memory_world_configure(&world, &acl_plugin, "{\"deny\":[\"b\"]}", NULL, NULL);
    struct memory_exchange *exchange = memory_exchange_new(&world, "GET", "/", "apikey: good", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    assert_true(strncmp(world.loads[0].key, "acls:" ANN ":::::", 46) == 0);
    memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_int_equal(exchange->chain.answer.status, 503);
    memory_exchange_free(exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_credential_and_its_consumer_are_waited_for_one_after_the_other,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(without_an_answer_of_the_database_nobody_passes_not_even_as_nobody,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_may_leave_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(an_anonymous_consumer_that_is_not_there_is_a_failure_and_counted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(groups_are_one_list_also_when_there_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_that_are_not_there_are_not_held_against_the_client, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_group_of_several_is_found_in_the_list, setup, teardown),
        cmocka_unit_test_setup_teardown(without_an_answer_about_groups_nobody_passes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
