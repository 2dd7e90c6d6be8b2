/*
 * The order in which plugins see a request, and which of their configurations (data-plane reference, 9.1,
 * 9.2).
 */

#include "walk.h"

static struct memory_world world;
static enum plugin_result next_result[3]; /* what access of each plugin does */
static char consumer_name[] = "ann";
static const struct consumer ann = {.id = {{[15] = 9}}, .username = consumer_name};
static bool finds_ann;

static enum plugin_result behave(struct chain *chain, const void *object, size_t number)
{
    walk_note(object, "access");
    if (next_result[number] == PLUGIN_ANSWERED)
        return chain_answer_message(chain, 403, object);
    return next_result[number];
}

static enum plugin_result first_access(struct chain *chain, const void *object)
{
    if (finds_ann)
        chain_authenticate(chain, &ann, &ann, STR("credential"));
    return behave(chain, object, 0);
}

static enum plugin_result second_access(struct chain *chain, const void *object)
{
    return behave(chain, object, 1);
}

static enum plugin_result third_access(struct chain *chain, const void *object)
{
    return behave(chain, object, 2);
}

static enum plugin_result rewrite(struct chain *chain, const void *object)
{
    (void)chain;
    walk_note(object, "rewrite");
    return PLUGIN_NEXT;
}

static enum plugin_result rewrite_that_answers(struct chain *chain, const void *object)
{
    walk_note(object, "rewrite");
    return chain_answer_message(chain, 418, "tea");
}

static const struct plugin first = WALK_PLUGIN("first", 30, first_access);
static const struct plugin second = WALK_PLUGIN("second", 20, second_access);
static const struct plugin third = WALK_PLUGIN("third", 10, third_access);
static const struct plugin early = {.schema = {.name = "early", .priority = 2},
                                    .configure = walk_configure,
                                    .dispose = free,
                                    .rewrite = rewrite,
                                    .log = walk_log};
static const struct plugin brusque = {.schema = {.name = "brusque", .priority = 1},
                                      .configure = walk_configure,
                                      .dispose = free,
                                      .rewrite = rewrite_that_answers,
                                      .header_filter = walk_header_filter};
static const struct plugin *const plugins[] = {&first, &second, &third, &early, &brusque};

static int setup(void **state)
{
    (void)state;
    walk_trace[0] = '\0';
    for (size_t i = 0; i < COUNT(next_result); i++)
        next_result[i] = PLUGIN_NEXT;
    finds_ann = false;
    memory_world_open(&world, plugins, COUNT(plugins));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_world_close(&world);
    return 0;
}

static void configure(const struct plugin *plugin, const char *tag, const struct uuid *route,
                      const struct uuid *consumer)
{
    char config[64];
    (void)snprintf(config, sizeof(config), "{\"tag\":\"%s\"}", tag);
    memory_world_configure(&world, plugin, config, route, consumer);
}

static struct memory_exchange *get(void)
{
    return memory_exchange_new(&world, "GET", "/a?b", "", NULL);
}

static void phases_run_in_order_of_priority(void **state)
{
    (void)state;
    configure(&third, "c", NULL, NULL);
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    configure(&early, "e", NULL, NULL);
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    walk_assert("e.rewrite a.access b.access c.access ");
    walk_answer(exchange);
    walk_assert("a.head b.head c.head a.log b.log c.log e.log ");
    assert_false(exchange->chain.answered);
    memory_exchange_free(exchange);
}

static void without_plugins_nothing_is_allocated(void **state)
{
    (void)state;
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    walk_answer(exchange);
    assert_null(exchange->chain.state);
    walk_assert_str(exchange->chain.upstream_query, "b");
    assert_null(exchange->chain.upstream_body.at);
    memory_exchange_free(exchange);
}

static void after_an_answer_only_access_of_the_rest_is_skipped(void **state)
{
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    configure(&third, "c", NULL, NULL);
    next_result[1] = PLUGIN_ANSWERED;
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_ANSWERED);
    walk_assert("a.access b.access ");
    assert_int_equal(exchange->chain.answer.status, 403);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_ANSWERED); /* and asking again changes nothing */
    walk_assert("");
    walk_answer(exchange);
    walk_assert("a.head b.head c.head a.log b.log c.log ");
    memory_exchange_free(exchange);
}

static void the_last_plugin_may_answer_too(void **state)
{
    (void)state;
    configure(&third, "c", NULL, NULL);
    next_result[2] = PLUGIN_ANSWERED;
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_ANSWERED);
    walk_answer(exchange);
    walk_assert("c.access c.head c.log ");
    memory_exchange_free(exchange);
}

static void a_failed_plugin_is_a_500_and_ends_access(void **state)
{
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    next_result[0] = PLUGIN_FAILED;
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, 500);
    walk_assert_str(exchange->chain.answer_body, "{\"message\":\"An unexpected error occurred\"}");
    walk_assert_str(memory_exchange_answer_header(exchange, "Content-Type"),
                    "application/json; charset=utf-8");
    assert_false(exchange->chain.request_id_in_body);
    walk_answer(exchange);
    walk_assert("a.access a.head b.head a.log b.log ");
    memory_exchange_free(exchange);
}

static struct route some_route;

static struct memory_exchange *get_by_route(uint8_t number)
{
    struct memory_exchange *exchange = get();
    some_route = (struct route){.id = walk_id(number)};
    exchange->chain.route = &some_route;
    return exchange;
}

static void the_most_specific_configuration_runs_and_no_other(void **state)
{
    const struct uuid route = walk_id(1);
    (void)state;
    configure(&second, "global", NULL, NULL);
    configure(&second, "route", &route, NULL);
    struct memory_exchange *exchange = get_by_route(1);
    (void)memory_exchange_access(exchange);
    walk_answer(exchange);
    walk_assert("route.access route.head route.log ");
    memory_exchange_free(exchange);
    exchange = get_by_route(2);
    (void)memory_exchange_access(exchange);
    walk_answer(exchange);
    walk_assert("global.access global.head global.log ");
    memory_exchange_free(exchange);
}

/* A plugin that runs before authentication never sees a configuration of a consumer. */
static void a_consumer_counts_from_where_it_is_found(void **state)
{
    const struct uuid route = walk_id(1);
    (void)state;
    finds_ann = true;
    configure(&first, "a", NULL, NULL);
    configure(&first, "a-ann", NULL, &ann.id);
    configure(&second, "b-route", &route, NULL);
    configure(&second, "b-ann", NULL, &ann.id);
    configure(&second, "b-both", &route, &ann.id);
    configure(&third, "c-route", &route, NULL);
    configure(&third, "c-ann", NULL, &ann.id);
    struct memory_exchange *exchange = get_by_route(1);
    (void)memory_exchange_access(exchange);
    walk_assert("a.access b-both.access c-ann.access ");
    walk_answer(exchange);
    walk_assert("a.head b-both.head c-ann.head a.log b-both.log c-ann.log ");
    memory_exchange_free(exchange);
    exchange = get_by_route(2);
    (void)memory_exchange_access(exchange);
    walk_assert("a.access b-ann.access c-ann.access ");
    memory_exchange_free(exchange);
}

/* The one who answers may have found the consumer: what follows is chosen with it. */
static void the_consumer_counts_for_those_whose_access_is_skipped(void **state)
{
    (void)state;
    finds_ann = true;
    next_result[0] = PLUGIN_ANSWERED;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    configure(&second, "b-ann", NULL, &ann.id);
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_ANSWERED);
    walk_answer(exchange);
    walk_assert("a.access a.head b-ann.head a.log b-ann.log ");
    memory_exchange_free(exchange);
}

/* On errors before access (404 and the like) the request has no route whatever is in the struct. */
static void without_access_only_global_configurations_take_part(void **state)
{
    const struct uuid route = walk_id(1);
    (void)state;
    configure(&first, "a-route", &route, NULL);
    configure(&second, "b", NULL, NULL);
    configure(&second, "b-route", &route, NULL);
    struct memory_exchange *exchange = get_by_route(1);
    walk_answer(exchange);
    walk_assert("b.head b.log ");
    memory_exchange_free(exchange);
}

static void rewrite_sees_global_configurations_only(void **state)
{
    const struct uuid route = walk_id(1);
    (void)state;
    configure(&early, "route", &route, NULL);
    struct memory_exchange *exchange = get_by_route(1);
    (void)memory_exchange_access(exchange);
    walk_assert("");
    memory_exchange_free(exchange);
    configure(&early, "global", NULL, NULL);
    exchange = get_by_route(1);
    (void)memory_exchange_access(exchange);
    walk_assert("global.rewrite ");
    walk_answer(exchange);
    walk_assert("route.log ");
    memory_exchange_free(exchange);
}

static void an_answer_in_rewrite_skips_access(void **state)
{
    const struct uuid route = walk_id(1);
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&first, "a-route", &route, NULL);
    configure(&brusque, "z", NULL, NULL);
    struct memory_exchange *exchange = get_by_route(1);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_ANSWERED);
    assert_int_equal(exchange->chain.answer.status, 418);
    walk_answer(exchange);
    walk_assert("z.rewrite a.head z.head a.log ");
    memory_exchange_free(exchange);
}

static void a_parked_phase_runs_again_and_is_listed_once(void **state)
{
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    configure(&third, "c", NULL, NULL);
    next_result[1] = PLUGIN_WAIT;
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    walk_assert("a.access b.access ");
    chain_resume(&exchange->chain);
    assert_int_equal(exchange->result, CHAIN_WAIT);
    walk_assert("b.access ");
    next_result[1] = PLUGIN_NEXT;
    chain_resume(&exchange->chain);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_int_equal(exchange->runs, 3);
    walk_assert("b.access c.access ");
    walk_answer(exchange);
    walk_assert("a.head b.head c.head a.log b.log c.log ");
    memory_exchange_free(exchange);
}

static void a_parked_phase_may_answer_when_it_is_run_again(void **state)
{
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    next_result[0] = PLUGIN_WAIT;
    struct memory_exchange *exchange = get();
    (void)memory_exchange_access(exchange);
    next_result[0] = PLUGIN_ANSWERED;
    chain_resume(&exchange->chain);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    walk_answer(exchange);
    walk_assert("a.access a.access a.head b.head a.log b.log ");
    memory_exchange_free(exchange);
}

/* The client has gone, or the proxy has given up: the log still has everything that applies. */
static void a_request_that_ends_while_parked_is_logged_by_all(void **state)
{
    const struct uuid route = walk_id(1);
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b-route", &route, NULL);
    configure(&third, "c", NULL, NULL);
    next_result[1] = PLUGIN_WAIT;
    struct memory_exchange *exchange = get_by_route(1);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    walk_answer(exchange);
    walk_assert("a.access b-route.access a.head b-route.head c.head a.log b-route.log c.log ");
    memory_exchange_free(exchange);
}

/* A wake-up that was under way when the answer was made elsewhere changes nothing. */
static void a_wake_up_after_the_answer_runs_nothing(void **state)
{
    (void)state;
    configure(&first, "a", NULL, NULL);
    configure(&second, "b", NULL, NULL);
    next_result[0] = PLUGIN_WAIT;
    struct memory_exchange *exchange = get();
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    (void)chain_answer_error(&exchange->chain, 504, NULL);
    chain_header_filter(&exchange->chain);
    walk_assert("a.access a.head b.head ");
    next_result[0] = PLUGIN_NEXT;
    chain_resume(&exchange->chain);
    assert_int_equal(exchange->result, CHAIN_ANSWERED);
    walk_assert("");
    chain_log(&exchange->chain);
    walk_assert("a.log b.log ");
    memory_exchange_free(exchange);
}

static void the_world_forgets_nothing_at_the_end(void **state)
{
    (void)state;
    finds_ann = true;
    configure(&first, "a", NULL, NULL);
    struct memory_exchange *exchange = get();
    (void)memory_exchange_access(exchange);
    assert_ptr_equal(exchange->chain.consumer, &ann);
    chain_end(&exchange->chain);
    assert_null(exchange->chain.consumer);
    assert_null(exchange->chain.credential);
    assert_null(exchange->chain.credential_identifier.at);
    memory_exchange_free(exchange); /* ends it again, which is fine */
}

int main(void)
{
#define WALK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WALK(phases_run_in_order_of_priority),
        WALK(without_plugins_nothing_is_allocated),
        WALK(after_an_answer_only_access_of_the_rest_is_skipped),
        WALK(the_last_plugin_may_answer_too),
        WALK(a_failed_plugin_is_a_500_and_ends_access),
        WALK(the_most_specific_configuration_runs_and_no_other),
        WALK(a_consumer_counts_from_where_it_is_found),
        WALK(the_consumer_counts_for_those_whose_access_is_skipped),
        WALK(without_access_only_global_configurations_take_part),
        WALK(rewrite_sees_global_configurations_only),
        WALK(an_answer_in_rewrite_skips_access),
        WALK(a_parked_phase_runs_again_and_is_listed_once),
        WALK(a_parked_phase_may_answer_when_it_is_run_again),
        WALK(a_request_that_ends_while_parked_is_logged_by_all),
        WALK(a_wake_up_after_the_answer_runs_nothing),
        WALK(the_world_forgets_nothing_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
