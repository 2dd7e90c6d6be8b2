/*
 * key-auth (plugin reference, 1): where a key is looked for, what is said to those who have none, and what
 * the upstream gets.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plugins/key_auth.h"
#include "gateway/plugins/request_termination.h"
#include "tests/support/memory_exchange.h"

#define ANN_ID        "8fd5b1a0-0000-4000-8000-0000000000aa"
#define NOBODY_ID     "8fd5b1a0-0000-4000-8000-0000000000ff"
#define CREDENTIAL_ID "c0000000-0000-4000-8000-000000000001"
#define FORM          "Content-Type: application/x-www-form-urlencoded"
#define REQUEST_ID    "0123456789abcdef0123456789abcdef"

static const struct plugin *const plugins[] = {&key_auth_plugin, &request_termination_plugin};
static struct memory_world world;
static struct memory_exchange *exchange;

static int setup(void **state)
{
    (void)state;
    memory_world_open(&world, plugins, COUNT(plugins));
    memory_world_add_row(&world, &consumer_schema,
                         "{\"id\":\"" ANN_ID "\",\"username\":null,\"custom_id\":\"ann-7\"}");
    memory_world_add_row(&world, &consumer_schema, "{\"id\":\"" NOBODY_ID "\",\"username\":\"nobody\"}");
    memory_world_add_row(&world, &keyauth_credentials_schema,
                         "{\"id\":\"" CREDENTIAL_ID "\",\"consumer\":{\"id\":\"" ANN_ID
                         "\"},\"key\":\"good\"}");
    exchange = NULL;
    return 0;
}

static void finish(void)
{
    if (exchange != NULL)
        memory_exchange_free(exchange);
    exchange = NULL;
}

static int teardown(void **state)
{
    (void)state;
    finish();
    memory_world_close(&world);
    return 0;
}

static void configure(const char *config)
{
    memory_world_configure(&world, &key_auth_plugin, config, NULL, NULL);
}

static void assert_text(struct str text, const char *wanted)
{
    if (wanted == NULL ? text.at != NULL : text.at == NULL || !str_equal(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted != NULL ? wanted : "(none)");
}

/* A whole walk; the exchange stays until the next one. */
static void ask(const char *method, const char *target, const char *headers, const char *body)
{
    finish();
    exchange = memory_exchange_new(&world, method, target, headers, body);
    (void)memory_exchange_finish(exchange);
}

static void assert_upstream_header(const char *name, const char *value)
{
    assert_text(memory_exchange_header(exchange, name), value);
}

static void assert_passes_as_ann(void)
{
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_upstream_header("X-Consumer-ID", ANN_ID);
    assert_upstream_header("X-Credential-Identifier", CREDENTIAL_ID);
    assert_upstream_header("X-Anonymous-Consumer", NULL);
}

static void assert_passes_as_nobody(void)
{
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_upstream_header("X-Consumer-ID", NOBODY_ID);
    assert_upstream_header("X-Consumer-Username", "nobody");
    assert_upstream_header("X-Anonymous-Consumer", "true");
    assert_upstream_header("X-Credential-Identifier", NULL);
}

static void assert_answer(int status, const char *message, const char *challenge)
{
    struct str body = STR_NONE;

    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, status);
    body = exchange_printf(exchange->exchange,
                           "{\n  \"message\":\"%s\",\n  \"request_id\":\"" REQUEST_ID "\"\n}", message);
    assert_text(exchange->chain.answer_body, body.at);
    assert_text(memory_exchange_answer_header(exchange, "Content-Type"), "application/json; charset=utf-8");
    assert_text(memory_exchange_answer_header(exchange, "WWW-Authenticate"), challenge);
}

static void assert_no_key(void)
{
    assert_answer(401, "No API key found in request", "Key realm=\"kong\"");
}

static void assert_unknown(void)
{
    assert_answer(401, "Invalid authentication credentials", NULL);
}

static void assert_duplicate(void)
{
    assert_answer(401, "Duplicate API key found", NULL);
}

static void a_key_names_its_consumer(void **state)
{
    (void)state;
    configure("{}");
    ask("GET", "/", "apikey: good\nX-Consumer-Username: root\nX-Anonymous-Consumer: true", NULL);
    assert_passes_as_ann();
    assert_upstream_header("X-Consumer-Custom-ID", "ann-7");
    assert_upstream_header("X-Consumer-Username", NULL); /* has none, and a forged one goes */
    assert_upstream_header("apikey", "good");            /* not hidden unless asked for */
    ask("GET", "/?a=1&apikey=good", "", NULL);
    assert_passes_as_ann();
    assert_text(exchange->chain.upstream_query, "a=1&apikey=good");
}

static void without_a_key_the_answer_is_a_challenge(void **state)
{
    (void)state;
    configure("{}");
    ask("GET", "/", "", NULL);
    assert_no_key();
    ask("GET", "/?apikey", "apikey:", NULL);
    assert_no_key(); /* empty is absent */
    ask("GET", "/?apikey=", "Authorization: good", NULL);
    assert_no_key();
}

static void an_unknown_key_is_refused_without_a_challenge(void **state)
{
    (void)state;
    configure("{}");
    ask("GET", "/", "apikey: bad", NULL);
    assert_unknown();
    ask("GET", "/", "apikey: GOOD", NULL);
    assert_unknown();
    assert_upstream_header("X-Consumer-ID", NULL);
}

static void a_key_that_occurs_twice_is_refused(void **state)
{
    (void)state;
    configure("{\"key_in_body\":true}");
    ask("GET", "/", "apikey: good\nAPIKEY: good", NULL);
    assert_duplicate();
    ask("GET", "/?apikey=good&apikey=good", "", NULL);
    assert_duplicate();
    ask("POST", "/", FORM, "apikey=good&apikey=good");
    assert_duplicate();
    ask("POST", "/", "Content-Type: application/json", "{\"apikey\":[\"good\",\"good\"]}");
    assert_duplicate();
    ask("GET", "/?apikey=good&apikey=good", "apikey: good", NULL);
    assert_passes_as_ann(); /* the search has ended in the header */
}

static void errors_speak_the_clients_language(void **state)
{
    (void)state;
    configure("{}");
    ask("GET", "/", "Accept: text/plain", NULL);
    assert_text(exchange->chain.answer_body, "No API key found in request\nrequest_id: " REQUEST_ID "\n");
}

/* A wrong key in the header is not saved by a right one in the query. */
static void the_first_place_with_a_value_ends_the_search(void **state)
{
    (void)state;
    configure("{\"key_in_body\":true}");
    ask("POST", "/?apikey=good", FORM "\napikey: bad", "apikey=good");
    assert_unknown();
    ask("POST", "/?apikey=bad", FORM, "apikey=good");
    assert_unknown();
    ask("POST", "/?apikey=good", FORM "\napikey:", "apikey=bad");
    assert_passes_as_ann(); /* an empty one is no value */
}

static void names_are_tried_in_turn_each_in_every_place(void **state)
{
    (void)state;
    configure("{\"key_names\":[\"first\",\"second\"]}");
    ask("GET", "/", "second: good", NULL);
    assert_passes_as_ann();
    ask("GET", "/?first=bad", "second: good", NULL);
    assert_unknown();
    ask("GET", "/?second=bad", "first: good", NULL);
    assert_passes_as_ann();
    ask("GET", "/?apikey=good", "apikey: good", NULL);
    assert_no_key();
}

static void names_have_their_case_but_in_headers(void **state)
{
    (void)state;
    configure("{\"key_names\":[\"ApiKey\"],\"key_in_body\":true}");
    ask("GET", "/", "aPIkEY: good", NULL);
    assert_passes_as_ann();
    ask("GET", "/?apikey=good", "", NULL);
    assert_no_key();
    ask("GET", "/?ApiKey=good", "", NULL);
    assert_passes_as_ann();
    ask("POST", "/", FORM, "apikey=good");
    assert_no_key();
}

static void places_can_be_switched_off_in_all_combinations(void **state)
{
    (void)state;
    for (unsigned places = 0; places < 8; places++) {
        char config[160];
        (void)snprintf(config, sizeof(config),
                       "{\"key_in_header\":%s,\"key_in_query\":%s,\"key_in_body\":%s}",
                       (places & 1) != 0 ? "true" : "false", (places & 2) != 0 ? "true" : "false",
                       (places & 4) != 0 ? "true" : "false");
        configure(config); /* in the place of the one before */
        ask("GET", "/", "apikey: good", NULL);
        assert_int_equal(exchange->result, (places & 1) != 0 ? CHAIN_NEXT : CHAIN_ANSWERED);
        ask("GET", "/?apikey=good", "", NULL);
        assert_int_equal(exchange->result, (places & 2) != 0 ? CHAIN_NEXT : CHAIN_ANSWERED);
        ask("POST", "/", FORM, "apikey=good");
        assert_int_equal(exchange->result, (places & 4) != 0 ? CHAIN_NEXT : CHAIN_ANSWERED);
    }
}

#define PART(name, value) "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define MULTIPART         "Content-Type: multipart/form-data; boundary=b"

static void a_key_may_be_in_bodies_of_three_types(void **state)
{
    (void)state;
    configure("{\"key_in_body\":true}");
    ask("POST", "/", FORM, "a=1&apikey=good");
    assert_passes_as_ann();
    ask("POST", "/", "Content-Type: application/json; charset=utf-8", "{\"a\":1,\"apikey\":\"good\"}");
    assert_passes_as_ann();
    ask("POST", "/", MULTIPART, PART("a", "1") PART("apikey", "good") "--b--");
    assert_passes_as_ann();
    assert_false(exchange->chain.body_changed);
}

static void another_type_or_an_unreadable_body_holds_no_key(void **state)
{
    (void)state;
    configure("{\"key_in_body\":true}");
    ask("POST", "/", "Content-Type: text/plain", "apikey=good");
    assert_no_key();
    ask("POST", "/", "", "apikey=good");
    assert_no_key();
    ask("POST", "/", "Content-Type: application/json", "{\"apikey\":\"good\"");
    assert_no_key();
    ask("POST", "/", "Content-Type: application/json", "{\"apikey\":1}");
    assert_no_key();
    ask("POST", "/", MULTIPART, PART("apikey", "good"));
    assert_no_key();
}

static void hiding_removes_the_name_from_headers_and_query(void **state)
{
    (void)state;
    configure("{\"hide_credentials\":true,\"key_names\":[\"apikey\",\"other\"]}");
    ask("POST", "/?a=%41&apikey=x&b", FORM "\nApiKey: good\nother: stays", "apikey=good");
    assert_passes_as_ann();
    assert_upstream_header("apikey", NULL);
    assert_upstream_header("other", "stays"); /* only the name that matched */
    assert_text(exchange->chain.upstream_query, "a=%41&b");
    assert_text(exchange->chain.upstream_body, "apikey=good"); /* bodies are not looked into */
    assert_false(exchange->chain.body_changed);
    ask("GET", "/?apikey=good", "", NULL);
    assert_passes_as_ann();
    assert_text(exchange->chain.upstream_query, NULL);
}

static void hiding_removes_the_name_from_the_body_if_it_is_searched(void **state)
{
    (void)state;
    configure("{\"hide_credentials\":true,\"key_in_body\":true}");
    ask("POST", "/", FORM, "a=1&apikey=good&b=2");
    assert_passes_as_ann();
    assert_true(exchange->chain.body_changed);
    assert_text(exchange->chain.upstream_body, "a=1&b=2");
    ask("POST", "/", "Content-Type: application/json", "{\"apikey\":\"good\",\"n\":9007199254740993}");
    assert_text(exchange->chain.upstream_body, "{\"n\":9007199254740993}");
    ask("POST", "/", MULTIPART, PART("apikey", "good") PART("a", "1") "--b--\r\n");
    assert_text(exchange->chain.upstream_body, PART("a", "1") "--b--\r\n");
    ask("POST", "/", FORM "\napikey: good", "apikey=x&c");
    assert_text(exchange->chain.upstream_body, "c"); /* though the key was found elsewhere */
    ask("POST", "/", FORM "\napikey: good", "c");
    assert_false(exchange->chain.body_changed);
    ask("POST", "/", FORM, "apikey=good");
    assert_text(exchange->chain.upstream_body, "");
    assert_true(exchange->chain.body_changed);
}

static void strangers_pass_as_the_anonymous_consumer(void **state)
{
    static const char *const configs[] = {"{\"anonymous\":\"" NOBODY_ID "\"}", "{\"anonymous\":\"nobody\"}"};
    (void)state;

    for (size_t i = 0; i < COUNT(configs); i++) {
        configure(configs[i]);
        ask("GET", "/", "X-Credential-Identifier: forged", NULL);
        assert_passes_as_nobody();
        ask("GET", "/", "apikey: bad", NULL);
        assert_passes_as_nobody();
        assert_upstream_header("apikey", "bad");
        ask("GET", "/?apikey=good&apikey=good", "", NULL);
        assert_passes_as_nobody();
        ask("GET", "/", "apikey: good", NULL);
        assert_passes_as_ann();
    }
}

/* Whose key it may be: the upstream of an anonymous request has no business with it. */
static void a_wrong_key_is_hidden_from_the_upstream_of_strangers(void **state)
{
    (void)state;
    configure("{\"anonymous\":\"nobody\",\"hide_credentials\":true}");
    ask("GET", "/?apikey=x&a", "apikey: bad", NULL);
    assert_passes_as_nobody();
    assert_upstream_header("apikey", NULL);
    assert_text(exchange->chain.upstream_query, "a");
}

static void an_anonymous_that_names_nobody_is_a_failure_of_ours(void **state)
{
    (void)state;
    configure("{\"anonymous\":\"who\"}");
    ask("GET", "/", "", NULL);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, 500);
    assert_text(exchange->chain.answer_body, "{\"message\":\"An unexpected error occurred\"}");
    ask("GET", "/", "apikey: good", NULL);
    assert_passes_as_ann();
    configure("{\"anonymous\":\"8fd5b1a0-0000-4000-8000-0000000000dd\"}");
    ask("GET", "/", "", NULL);
    assert_int_equal(exchange->chain.answer.status, 500);
}

/* OR of several auth plugins: who has been authenticated already is left alone. */
static void somebody_who_is_known_is_not_asked_again_if_strangers_may_pass(void **state)
{
    const struct consumer other = {.id = {{1}}};
    const int credential = 1;
    (void)state;

    configure("{\"anonymous\":\"nobody\"}");
    exchange = memory_exchange_new(&world, "GET", "/", "apikey: bad", NULL);
    chain_authenticate(&exchange->chain, &other, &credential, STR("basic"));
    assert_int_equal(memory_exchange_finish(exchange), CHAIN_NEXT);
    assert_ptr_equal(exchange->chain.consumer, &other);
    assert_upstream_header("X-Credential-Identifier", "basic");
    /* AND without anonymous: all must succeed. */
    configure("{}");
    finish();
    exchange = memory_exchange_new(&world, "GET", "/", "apikey: bad", NULL);
    chain_authenticate(&exchange->chain, &other, &credential, STR("basic"));
    (void)memory_exchange_finish(exchange);
    assert_unknown();
}

static void preflight_requests_can_be_let_through(void **state)
{
    (void)state;
    configure("{}");
    ask("OPTIONS", "/", "", NULL);
    assert_no_key();
    configure("{\"run_on_preflight\":false}");
    ask("OPTIONS", "/", "", NULL);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_null(exchange->chain.consumer);
    ask("GET", "/", "", NULL);
    assert_no_key();
}

static void a_credential_without_its_consumer_is_unknown(void **state)
{
    (void)state;
    memory_world_add_row(&world, &keyauth_credentials_schema,
                         "{\"id\":\"" CREDENTIAL_ID "\",\"consumer\":{\"id\":"
                         "\"8fd5b1a0-0000-4000-8000-0000000000ee\"},\"key\":\"orphan\"}");
    configure("{}");
    ask("GET", "/", "apikey: orphan", NULL);
    assert_unknown();
}

static void a_key_too_long_for_the_cache_is_unknown(void **state)
{
    char headers[CACHE_KEY_MAX + 100] = "apikey: ";
    (void)state;

    memset(headers + strlen(headers), 'k', CACHE_KEY_MAX);
    configure("{}");
    ask("GET", "/", headers, NULL);
    assert_unknown();
    assert_int_equal(world.load_total, 0);
}

/* ---- time to live ---- */

static int64_t ahead_us;

static int64_t later_us(void *arg)
{
    (void)arg;
    return clock_now_us(clock_system()) + ahead_us;
}

static const struct clock later = {.monotonic_us = later_us, .wall_us = later_us};

static void add_with_ttl(const char *key, int ttl)
{
    char row[256];
    (void)snprintf(row, sizeof(row),
                   "{\"id\":\"" CREDENTIAL_ID "\",\"consumer\":{\"id\":\"" ANN_ID
                   "\"},\"key\":\"%s\",\"ttl\":%d}",
                   key, ttl);
    memory_world_add_row(&world, &keyauth_credentials_schema, row);
}

static void a_key_ends_with_its_time_to_live(void **state)
{
    (void)state;
    configure("{}");
    add_with_ttl("brief", 100);
    world.chain_world.clock = &later;
    ahead_us = 0;
    ask("GET", "/", "apikey: brief", NULL);
    assert_passes_as_ann();
    ahead_us = INT64_C(99) * 1000000;
    ask("GET", "/", "apikey: brief", NULL);
    assert_passes_as_ann();
    ahead_us = INT64_C(101) * 1000000; /* the cached one is not believed any more */
    ask("GET", "/", "apikey: brief", NULL);
    assert_unknown();
    ask("GET", "/", "apikey: good", NULL);
    assert_passes_as_ann(); /* without: for ever */
}

static void a_key_that_has_ended_already_is_unknown(void **state)
{
    (void)state;
    configure("{}");
    add_with_ttl("ended", -1);
    ask("GET", "/", "apikey: ended", NULL);
    assert_unknown();
}

static void a_credential_shows_what_it_has_left(void **state)
{
    cJSON *row = cJSON_Parse("{\"id\":\"" CREDENTIAL_ID "\",\"consumer\":{\"id\":\"" ANN_ID
                             "\"},\"key\":\"k\",\"ttl\":100}");
    void *object;
    size_t bytes;
    struct err err;
    (void)state;

    assert_true(keyauth_credentials_schema.decode(row, &object, &bytes, &err));
    cJSON *shown = keyauth_credentials_schema.show(object);
    double ttl = cJSON_GetObjectItemCaseSensitive(shown, "ttl")->valuedouble;
    assert_true(ttl >= 98 && ttl <= 101);
    assert_true(ttl == (double)(int)ttl);
    cJSON_Delete(shown);
    keyauth_credentials_schema.release(object);
    cJSON_DeleteItemFromObject(row, "consumer");
    assert_false(keyauth_credentials_schema.decode(row, &object, &bytes, &err));
    cJSON_Delete(row);
}

/* ---- the database does not answer ---- */

static void assert_undecided(void)
{
    assert_answer(503, "The upstream server is currently unavailable", NULL);
    assert_text(memory_exchange_answer_header(exchange, "Retry-After"), "1");
    assert_null(exchange->chain.consumer);
}

static void without_the_database_nobody_passes(void **state)
{
    (void)state;
    configure("{\"anonymous\":\"nobody\"}");
    exchange = memory_exchange_new(&world, "GET", "/", "apikey: good", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_undecided(); /* not even as the anonymous consumer */
    finish();
    exchange = memory_exchange_new(&world, "GET", "/", "", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_undecided();
}

static void a_consumer_that_cannot_be_read_is_no_consumer(void **state)
{
    (void)state;
    configure("{\"hide_credentials\":true}");
    exchange = memory_exchange_new(&world, "GET", "/", "apikey: good", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    /* The credential, and then nothing any more. */
    pthread_mutex_lock(&world.lock);
    assert_int_equal(world.load_count, 1);
    pthread_mutex_unlock(&world.lock);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    if (exchange->result == CHAIN_WAIT)
        memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_undecided();
    assert_upstream_header("apikey", "good"); /* nothing was changed on the way */
}

/* ---- with others ---- */

static void the_anonymous_consumer_can_be_turned_away(void **state)
{
    struct uuid nobody;
    (void)state;

    assert_true(uuid_from_str(STR(NOBODY_ID), &nobody));
    configure("{\"anonymous\":\"nobody\"}");
    memory_world_configure(&world, &request_termination_plugin,
                           "{\"status_code\":403,\"message\":\"members only\"}", NULL, &nobody);
    ask("GET", "/", "", NULL);
    assert_int_equal(exchange->chain.answer.status, 403);
    assert_text(exchange->chain.answer_body, "{\"message\":\"members only\"}");
    ask("GET", "/", "apikey: good", NULL);
    assert_passes_as_ann();
}

static void known_callers_cost_no_look_up_in_the_database(void **state)
{
    (void)state;
    configure("{}");
    ask("GET", "/", "apikey: good", NULL);
    assert_passes_as_ann();
    assert_int_equal(world.load_total, 2);
    finish();
    exchange = memory_exchange_new(&world, "GET", "/", "apikey: good", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    assert_passes_as_ann();
    assert_int_equal(world.load_total, 2);
}

int main(void)
{
#define ASK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ASK(a_key_names_its_consumer),
        ASK(without_a_key_the_answer_is_a_challenge),
        ASK(an_unknown_key_is_refused_without_a_challenge),
        ASK(a_key_that_occurs_twice_is_refused),
        ASK(errors_speak_the_clients_language),
        ASK(the_first_place_with_a_value_ends_the_search),
        ASK(names_are_tried_in_turn_each_in_every_place),
        ASK(names_have_their_case_but_in_headers),
        ASK(places_can_be_switched_off_in_all_combinations),
        ASK(a_key_may_be_in_bodies_of_three_types),
        ASK(another_type_or_an_unreadable_body_holds_no_key),
        ASK(hiding_removes_the_name_from_headers_and_query),
        ASK(hiding_removes_the_name_from_the_body_if_it_is_searched),
        ASK(strangers_pass_as_the_anonymous_consumer),
        ASK(a_wrong_key_is_hidden_from_the_upstream_of_strangers),
        ASK(an_anonymous_that_names_nobody_is_a_failure_of_ours),
        ASK(somebody_who_is_known_is_not_asked_again_if_strangers_may_pass),
        ASK(preflight_requests_can_be_let_through),
        ASK(a_credential_without_its_consumer_is_unknown),
        ASK(a_key_too_long_for_the_cache_is_unknown),
        ASK(a_key_ends_with_its_time_to_live),
        ASK(a_key_that_has_ended_already_is_unknown),
        ASK(a_credential_shows_what_it_has_left),
        ASK(without_the_database_nobody_passes),
        ASK(a_consumer_that_cannot_be_read_is_no_consumer),
        ASK(the_anonymous_consumer_can_be_turned_away),
        ASK(known_callers_cost_no_look_up_in_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
