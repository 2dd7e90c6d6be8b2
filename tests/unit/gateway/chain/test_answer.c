/*
 * Answers of plugins (data-plane reference, 4.1), and the headers that tell the upstream who asks (9.4).
 */

#include "walk.h"

static struct memory_world world;

static int setup(void **state)
{
    (void)state;
    memory_world_open(&world, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_world_close(&world);
    return 0;
}

static struct memory_exchange *get(const char *headers)
{
    return memory_exchange_new(&world, "GET", "/", headers, NULL);
}

static void an_exit_is_compact_json_whatever_the_client_accepts(void **state)
{
    struct memory_exchange *exchange = get("Accept: text/html");
    (void)state;

    assert_int_equal(chain_answer_message(&exchange->chain, 503, "say \"no\"\n"), PLUGIN_ANSWERED);
    assert_true(exchange->chain.answered);
    assert_false(exchange->chain.request_id_in_body);
    assert_int_equal(exchange->chain.answer.status, 503);
    walk_assert_str(exchange->chain.answer_body, "{\"message\":\"say \\\"no\\\"\\u000a\"}");
    walk_assert_str(memory_exchange_answer_header(exchange, "content-type"),
                    "application/json; charset=utf-8");
    memory_exchange_free(exchange);
}

static void an_exit_without_message_has_neither_body_nor_type(void **state)
{
    struct memory_exchange *exchange = get("");
    (void)state;

    assert_int_equal(chain_answer_message(&exchange->chain, 204, NULL), PLUGIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, 204);
    assert_int_equal(exchange->chain.answer_body.len, 0);
    assert_int_equal(exchange->chain.answer.headers.count, 0);
    memory_exchange_free(exchange);
}

static void an_error_speaks_the_clients_language_and_names_the_request(void **state)
{
    struct memory_exchange *exchange = get("Accept: text/plain");
    (void)state;

    assert_int_equal(chain_answer_error(&exchange->chain, 401, "Who?"), PLUGIN_ANSWERED);
    assert_true(exchange->chain.request_id_in_body);
    walk_assert_str(exchange->chain.answer_body, "Who?\nrequest_id: 0123456789abcdef0123456789abcdef\n");
    walk_assert_str(memory_exchange_answer_header(exchange, "content-type"), "text/plain; charset=utf-8");
    memory_exchange_free(exchange);
    exchange = get("");
    (void)chain_answer_error(&exchange->chain, 429, NULL);
    walk_assert_str(exchange->chain.answer_body, "{\n  \"message\":\"Too many requests\",\n"
                                                 "  \"request_id\":\"0123456789abcdef0123456789abcdef\"\n}");
    memory_exchange_free(exchange);
}

static void a_body_is_sent_as_it_is(void **state)
{
    struct memory_exchange *exchange = get("Accept: text/html");
    (void)state;

    (void)chain_answer_body(&exchange->chain, 200, STR("image/gif"), STR("GIF89a\0\xff"));
    walk_assert_str(memory_exchange_answer_header(exchange, "content-type"), "image/gif");
    assert_int_equal(exchange->chain.answer_body.len, 8);
    assert_false(exchange->chain.request_id_in_body);
    memory_exchange_free(exchange);
}

static void the_last_answer_replaces_the_one_before(void **state)
{
    struct memory_exchange *exchange = get("");
    (void)state;

    (void)chain_answer_error(&exchange->chain, 401, "Who?");
    headers_add(&exchange->chain.answer.headers, STR("WWW-Authenticate"), STR("Key"));
    (void)chain_answer_message(&exchange->chain, 500, "Oh");
    assert_false(exchange->chain.request_id_in_body);
    assert_int_equal(exchange->chain.answer.headers.count, 1);
    walk_assert_str(exchange->chain.answer_body, "{\"message\":\"Oh\"}");
    memory_exchange_free(exchange);
}

/* A setting is no way to add lines to an answer's head. */
static void a_type_that_is_no_header_value_is_left_out(void **state)
{
    struct memory_exchange *exchange = get("");
    (void)state;

    (void)chain_answer_body(&exchange->chain, 200, STR("a/b\r\nSet-Cookie: x=y"), STR("x"));
    assert_int_equal(exchange->chain.answer.headers.count, 0);
    memory_exchange_free(exchange);
}

static const char forged[] = "X-Consumer-ID: 1\nx-consumer-username: root\nX-CONSUMER-CUSTOM-ID: 1\n"
                             "X-Credential-Identifier: 1\nX-Anonymous-Consumer: false\n"
                             "X-Consumer-Username: twice\nX-Mine: stays";

static size_t count_lines(struct memory_exchange *exchange)
{
    return exchange_request(exchange->exchange)->headers.count;
}

static void the_upstream_is_told_who_asks(void **state)
{
    struct memory_exchange *exchange = get(forged);
    char username[] = "ann";
    char custom_id[] = "a-1";
    const struct consumer consumer = {.id = walk_id(5), .username = username, .custom_id = custom_id};
    const int credential = 1;
    (void)state;

    chain_authenticate(&exchange->chain, &consumer, &credential, STR("cred-7"));
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-ID"),
                    "00000000-0000-0000-0000-000000000005");
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Username"), "ann");
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Custom-ID"), "a-1");
    walk_assert_str(memory_exchange_header(exchange, "X-Credential-Identifier"), "cred-7");
    walk_assert_str(memory_exchange_header(exchange, "X-Anonymous-Consumer"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Mine"), "stays");
    assert_int_equal(count_lines(exchange), 5); /* each name once */
    assert_ptr_equal(exchange->chain.consumer, &consumer);
    assert_ptr_equal(exchange->chain.credential, &credential);
    memory_exchange_free(exchange);
}

static void what_a_consumer_does_not_have_is_removed(void **state)
{
    struct memory_exchange *exchange = get(forged);
    char custom_id[] = "a-1";
    const struct consumer consumer = {.id = walk_id(5), .custom_id = custom_id};
    const int credential = 1;
    (void)state;

    chain_authenticate(&exchange->chain, &consumer, &credential, STR("cred-7"));
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Username"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Custom-ID"), "a-1");
    memory_exchange_free(exchange);
}

static void the_anonymous_consumer_is_called_so_and_has_no_credential(void **state)
{
    struct memory_exchange *exchange = get(forged);
    char username[] = "nobody";
    const struct consumer consumer = {.id = walk_id(6), .username = username};
    (void)state;

    chain_authenticate(&exchange->chain, &consumer, NULL, STR("not used"));
    walk_assert_str(memory_exchange_header(exchange, "X-Anonymous-Consumer"), "true");
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Username"), "nobody");
    walk_assert_str(memory_exchange_header(exchange, "X-Credential-Identifier"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Custom-ID"), NULL);
    assert_null(exchange->chain.credential_identifier.at);
    memory_exchange_free(exchange);
}

static void nobody_at_all_leaves_no_identity_header(void **state)
{
    struct memory_exchange *exchange = get(forged);
    (void)state;

    chain_authenticate(&exchange->chain, NULL, NULL, STR_NONE);
    assert_int_equal(count_lines(exchange), 1);
    walk_assert_str(memory_exchange_header(exchange, "X-Mine"), "stays");
    memory_exchange_free(exchange);
}

static void the_last_plugin_to_authenticate_counts(void **state)
{
    struct memory_exchange *exchange = get("");
    char username[] = "ann";
    const struct consumer anonymous = {.id = walk_id(6), .username = username};
    const struct consumer consumer = {.id = walk_id(5)};
    const int credential = 1;
    (void)state;

    chain_authenticate(&exchange->chain, &anonymous, NULL, STR_NONE);
    chain_authenticate(&exchange->chain, &consumer, &credential, STR("c"));
    walk_assert_str(memory_exchange_header(exchange, "X-Anonymous-Consumer"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Username"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Credential-Identifier"), "c");
    memory_exchange_free(exchange);
}

/* Names of consumers are any text; a line break in one would be a header, or a request, of its own. */
static void a_name_that_is_no_header_value_is_not_told(void **state)
{
    struct memory_exchange *exchange = get(forged);
    char username[] = "ann\r\nX-Admin: yes";
    char custom_id[] = "a\x01";
    const struct consumer consumer = {.id = walk_id(5), .username = username, .custom_id = custom_id};
    const int credential = 1;
    (void)state;

    chain_authenticate(&exchange->chain, &consumer, &credential, STR("cred-7"));
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Username"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Consumer-Custom-ID"), NULL);
    walk_assert_str(memory_exchange_header(exchange, "X-Credential-Identifier"), "cred-7");
    memory_exchange_free(exchange);
}

/* ---- in header_filter ---- */

static void mark(struct chain *chain, const void *object)
{
    assert_ptr_equal(chain->running->object, object);
    headers_set(&chain->answer.headers, str_of(object),
                exchange_printf(chain->exchange, "%d", chain->answer.status));
}

static void stop(struct chain *chain, const void *object)
{
    (void)object;
    (void)chain_answer_message(chain, 429, NULL);
}

/* clang-format off */
static const struct plugin before = {.schema = {.name = "before", .priority = 3}, .configure = walk_configure,
                                     .dispose = free, .header_filter = mark};
static const struct plugin stopping = {.schema = {.name = "stopping", .priority = 2}, .configure = walk_configure,
                                       .dispose = free, .header_filter = stop};
static const struct plugin after = {.schema = {.name = "after", .priority = 1}, .configure = walk_configure,
                                    .dispose = free, .header_filter = mark};
/* clang-format on */
static const struct plugin *const filters[] = {&before, &stopping, &after};

static void an_answer_in_header_filter_takes_the_place_of_the_one_there(void **state)
{
    struct memory_world filtering;
    (void)state;
    memory_world_open(&filtering, filters, COUNT(filters));
    memory_world_configure(&filtering, &before, "{\"tag\":\"X-Before\"}", NULL, NULL);
    memory_world_configure(&filtering, &stopping, "{\"tag\":\"-\"}", NULL, NULL);
    memory_world_configure(&filtering, &after, "{\"tag\":\"X-After\"}", NULL, NULL);
    struct memory_exchange *exchange = memory_exchange_new(&filtering, "GET", "/", "", NULL);
    struct exchange_answer *answer = &exchange->chain.answer;
    exchange_answer_init(exchange->exchange, answer, 200);
    answer->reason = STR("Fine");
    headers_add(&answer->headers, STR("content-type"), STR("image/gif"));
    headers_add(&answer->headers, STR("cache-control"), STR("max-age=60"));
    headers_add(&answer->headers, STR("Set-Cookie"), STR("a=b"));

    chain_header_filter(&exchange->chain);
    assert_true(exchange->chain.answered);
    assert_int_equal(answer->status, 429);
    assert_null(answer->reason.at);
    assert_int_equal(exchange->chain.answer_body.len, 0);
    walk_assert_str(memory_exchange_answer_header(exchange, "Content-Type"), NULL);
    walk_assert_str(memory_exchange_answer_header(exchange, "Cache-Control"), NULL);
    walk_assert_str(memory_exchange_answer_header(exchange, "Set-Cookie"), "a=b");
    walk_assert_str(memory_exchange_answer_header(exchange, "X-Before"), "200");
    walk_assert_str(memory_exchange_answer_header(exchange, "X-After"), "429");
    memory_exchange_free(exchange);
    memory_world_close(&filtering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_is_compact_json_whatever_the_client_accepts),
        cmocka_unit_test(an_exit_without_message_has_neither_body_nor_type),
        cmocka_unit_test(an_error_speaks_the_clients_language_and_names_the_request),
        cmocka_unit_test(a_body_is_sent_as_it_is),
        cmocka_unit_test(the_last_answer_replaces_the_one_before),
        cmocka_unit_test(a_type_that_is_no_header_value_is_left_out),
        cmocka_unit_test(the_upstream_is_told_who_asks),
        cmocka_unit_test(what_a_consumer_does_not_have_is_removed),
        cmocka_unit_test(the_anonymous_consumer_is_called_so_and_has_no_credential),
        cmocka_unit_test(nobody_at_all_leaves_no_identity_header),
        cmocka_unit_test(the_last_plugin_to_authenticate_counts),
        cmocka_unit_test(a_name_that_is_no_header_value_is_not_told),
        cmocka_unit_test(an_answer_in_header_filter_takes_the_place_of_the_one_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
