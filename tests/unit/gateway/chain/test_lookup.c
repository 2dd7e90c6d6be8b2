/*
 * A plugin's questions to the keyed cache: what it is told, how it waits, and that nothing is left behind
 * however a request ends (ASan sees what is).
 */

#include "walk.h"

enum {
    BY_ID, /* as in consumer_schema.lookups */
    BY_USERNAME
};

#define ANN "8fd5b1a0-0000-4000-8000-0000000000aa"

static struct memory_world world;
static struct { /* what access asks for, and what it was told last */
    struct str names[2];
    size_t count;
    enum cache_status status;
    const struct consumer *found[2];
    int runs;
    void (*meanwhile)(struct memory_exchange *victim); /* once, on the loop, before asking */
    struct memory_exchange *victim;
} asked;

/* The victim's answer is under way as a message, and the request ends in the same turn of the loop. */
static void answer_and_end(struct memory_exchange *victim)
{
    struct cache_answer answer = {.position = 1, .object = mem_zalloc(sizeof(struct consumer)), .bytes = 1};

    cache_fill_done(world.cache, world.loads[--world.load_count].flight, &answer);
    chain_end(&victim->chain);
}

static enum plugin_result ask(struct chain *chain, const void *object)
{
    (void)object;
    asked.runs++;
    if (asked.meanwhile != NULL)
        asked.meanwhile(asked.victim);
    for (size_t i = 0; i < asked.count; i++) {
        const void *found = &asked;
        asked.status = chain_lookup(chain, &consumer_schema, BY_USERNAME, asked.names[i], &found);
        asked.found[i] = found;
        if (asked.status == CACHE_MISS)
            return PLUGIN_WAIT;
        assert_int_equal(found != NULL, asked.status == CACHE_HIT);
    }
    return PLUGIN_NEXT;
}

static enum plugin_result find(struct chain *chain, const void *object)
{
    (void)object;
    asked.runs++;
    asked.status = chain_find_consumer(chain, asked.names[0], &asked.found[0]);
    return asked.status == CACHE_MISS ? PLUGIN_WAIT : PLUGIN_NEXT;
}

static const struct plugin asking = WALK_PLUGIN("asking", 2, ask);
static const struct plugin finding = WALK_PLUGIN("finding", 1, find);
static const struct plugin *const plugins[] = {&asking, &finding};

static void open_with(const struct plugin *plugin)
{
    memory_world_open(&world, plugins, COUNT(plugins));
    memory_world_configure(&world, plugin, "{\"tag\":\"x\"}", NULL, NULL);
    memory_world_add_row(&world, &consumer_schema,
                         "{\"id\":\"" ANN "\",\"username\":\"ann\",\"custom_id\":null}");
    memory_world_add_row(&world, &consumer_schema,
                         "{\"id\":\"8fd5b1a0-0000-4000-8000-0000000000bb\",\"username\":\"bob\"}");
    memset(&asked, 0, sizeof(asked));
    walk_trace[0] = '\0';
}

static int setup(void **state)
{
    (void)state;
    open_with(&asking);
    return 0;
}

static int setup_finding(void **state)
{
    (void)state;
    open_with(&finding);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_world_close(&world);
    return 0;
}

static struct memory_exchange *get(void)
{
    return memory_exchange_new(&world, "GET", "/", "", NULL);
}

static void ask_for(const char *first, const char *second)
{
    asked.names[0] = str_of(first);
    asked.names[1] = str_of(second);
    asked.count = second != NULL ? 2 : 1;
    asked.runs = 0;
}

/* A whole request that asks for one name. */
static enum cache_status status_of(const char *name)
{
    struct memory_exchange *exchange = get();

    ask_for(name, NULL);
    assert_int_equal(memory_exchange_finish(exchange), CHAIN_NEXT);
    memory_exchange_free(exchange);
    return asked.status;
}

static void a_miss_parks_and_the_answer_is_found_when_the_phase_runs_again(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for("ann", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    assert_int_equal(asked.status, CACHE_MISS);
    assert_null(asked.found[0]);
    assert_int_equal(memory_world_waiting_loads(&world), 1);
    assert_string_equal(world.loads[0].key, "consumers:ann:::::" DEFAULT_WORKSPACE);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_int_equal(asked.runs, 2);
    assert_int_equal(asked.status, CACHE_HIT);
    assert_string_equal(asked.found[0]->username, "ann");
    memory_exchange_free(exchange);
}

static void what_is_cached_is_answered_at_once(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    assert_int_equal(status_of("ann"), CACHE_HIT);
    size_t loads = world.load_total;
    ask_for("ann", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    assert_int_equal(asked.runs, 1);
    assert_int_equal(asked.status, CACHE_HIT);
    assert_int_equal(world.load_total, loads);
    memory_exchange_free(exchange);
}

static void absence_is_told_and_remembered(void **state)
{
    (void)state;
    assert_int_equal(status_of("eve"), CACHE_NEGATIVE);
    assert_int_equal(status_of("eve"), CACHE_NEGATIVE); /* the cache remembers from here on */
    size_t loads = world.load_total;
    assert_int_equal(status_of("eve"), CACHE_NEGATIVE);
    assert_int_equal(world.load_total, loads);
}

/* The cache does not keep failures, the request does: it would wait for ever otherwise. */
static void a_failure_ends_with_the_request_and_is_asked_anew_by_the_next(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for("ann", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_FAILED);
    assert_null(asked.found[0]);
    assert_int_equal(asked.runs, 2);
    memory_exchange_free(exchange);
    assert_int_equal(status_of("ann"), CACHE_HIT);
}

static void two_questions_are_asked_one_after_the_other_and_both_kept(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for("eve", "bob");
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    assert_int_equal(memory_world_waiting_loads(&world), 1);
    while (exchange->result == CHAIN_WAIT)
        memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    assert_int_equal(asked.runs, 3);
    assert_int_equal(asked.status, CACHE_HIT);
    assert_null(asked.found[0]);
    assert_string_equal(asked.found[1]->username, "bob");
    assert_int_equal(world.load_total, 2);
    memory_exchange_free(exchange);
}

/* What a request has seen stays true for it: an event in between does not let it see two worlds. */
static void one_request_gets_one_answer(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    assert_int_equal(status_of("ann"), CACHE_HIT);
    ask_for("ann", "bob");
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    const struct consumer *before = asked.found[0];
    cache_invalidate_all(world.cache, 100);
    memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_ptr_equal(asked.found[0], before);
    assert_string_equal(before->username, "ann"); /* pinned: readable though the cache has dropped it */
    memory_exchange_free(exchange);
}

static void requests_that_wait_for_one_key_share_a_load(void **state)
{
    struct memory_exchange *one = get();
    struct memory_exchange *other = get();
    (void)state;

    ask_for("ann", NULL);
    assert_int_equal(memory_exchange_access(one), CHAIN_WAIT);
    assert_int_equal(memory_exchange_access(other), CHAIN_WAIT);
    assert_int_equal(world.load_total, 1);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    assert_int_equal(one->result, CHAIN_NEXT);
    assert_int_equal(other->result, CHAIN_NEXT);
    memory_exchange_free(one);
    memory_exchange_free(other);
}

static void beyond_the_queue_of_loads_the_answer_is_busy(void **state)
{
    enum {
        ROOM = 16 /* max_flights and max_queued of memory_world_open() */
    };
    struct memory_exchange *waiting[ROOM];
    char names[ROOM][8];
    (void)state;

    for (size_t i = 0; i < ROOM; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
        ask_for(names[i], NULL);
        waiting[i] = get();
        assert_int_equal(memory_exchange_access(waiting[i]), CHAIN_WAIT);
    }
    struct memory_exchange *late = get();
    struct memory_exchange *idle = get();
    ask_for("late", NULL);
    assert_int_equal(memory_exchange_access(late), CHAIN_WAIT);
    cache_tick(world.cache);
    memory_exchange_free(idle); /* a turn of the loop */
    assert_int_equal(late->result, CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_BUSY);
    memory_exchange_free(late);
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    for (size_t i = 0; i < ROOM; i++)
        memory_exchange_free(waiting[i]);
}

static void fill_with(char *name, size_t len)
{
    memset(name, 'k', len);
    name[len] = '\0';
}

static void a_value_too_long_for_a_key_is_known_not_to_exist(void **state)
{
    const size_t room =
        CACHE_KEY_MAX - strlen("consumers") - strlen("username") - 6 - strlen(DEFAULT_WORKSPACE);
    char name[CACHE_KEY_MAX * 2];
    (void)state;

    fill_with(name, room + 1);
    assert_int_equal(status_of(name), CACHE_NEGATIVE);
    fill_with(name, sizeof(name) - 1);
    assert_int_equal(status_of(name), CACHE_NEGATIVE);
    assert_int_equal(world.load_total, 0);
    fill_with(name, room); /* the longest that can be asked for */
    assert_int_equal(status_of(name), CACHE_NEGATIVE);
    assert_int_equal(world.load_total, 1);
}

static void a_value_that_no_row_can_have_is_not_asked_for(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for("", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_NEGATIVE);
    memory_exchange_free(exchange);
    exchange = get();
    ask_for("x", NULL);
    asked.names[0] = STR("ann\0x");
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_NEGATIVE);
    assert_int_equal(world.load_total, 0);
    memory_exchange_free(exchange);
}

/* Values that look like parts of a key are still values. */
static void colons_in_a_value_do_not_make_another_key(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for("ann:::::" DEFAULT_WORKSPACE, NULL);
    assert_int_equal(memory_exchange_finish(exchange), CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_NEGATIVE);
    memory_exchange_free(exchange);
    assert_int_equal(status_of("ann"), CACHE_HIT);
}

static void a_request_that_ends_while_it_waits_is_never_resumed(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for("ann", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_exchange_free(exchange);
    asked.runs = 0;
    memory_world_answer(&world, MEMORY_DATABASE_WORKS);
    assert_int_equal(asked.runs, 0);
    assert_int_equal(status_of("ann"), CACHE_HIT); /* the load was not in vain */
    assert_int_equal(world.load_total, 1);
}

static void an_answer_that_finds_its_request_gone_is_dropped(void **state)
{
    struct memory_exchange *exchange = get();
    struct memory_exchange *other = get();
    (void)state;

    ask_for("ann", NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    asked.count = 0;
    asked.runs = 0;
    asked.meanwhile = answer_and_end;
    asked.victim = exchange;
    assert_int_equal(memory_exchange_access(other), CHAIN_NEXT);
    memory_exchange_free(other); /* a turn of the loop, in which the message has come */
    assert_int_equal(asked.runs, 1);
    memory_exchange_free(exchange);
}

static void a_consumer_is_found_by_id_in_any_spelling_and_by_name(void **state)
{
    static const char *const spellings[] = {ANN, "8FD5B1A0-0000-4000-8000-0000000000AA", "ann"};
    (void)state;

    for (size_t i = 0; i < COUNT(spellings); i++) {
        struct memory_exchange *exchange = get();
        ask_for(spellings[i], NULL);
        assert_int_equal(memory_exchange_finish(exchange), CHAIN_NEXT);
        assert_int_equal(asked.status, CACHE_HIT);
        assert_string_equal(asked.found[0]->username, "ann");
        memory_exchange_free(exchange);
    }
    assert_int_equal(world.load_total, 2); /* one entry for an id, one for a name */
}

static void a_name_that_looks_like_an_id_is_looked_for_as_both(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    memory_world_add_row(&world, &consumer_schema,
                         "{\"id\":\"8fd5b1a0-0000-4000-8000-0000000000cc\","
                         "\"username\":\"11111111-1111-4111-8111-111111111111\"}");
    ask_for("11111111-1111-4111-8111-111111111111", NULL);
    assert_int_equal(memory_exchange_finish(exchange), CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_HIT);
    assert_int_equal(world.load_total, 2);
    memory_exchange_free(exchange);
    exchange = get();
    ask_for("22222222-2222-4222-8222-222222222222", NULL);
    assert_int_equal(memory_exchange_finish(exchange), CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_NEGATIVE);
    assert_null(asked.found[0]);
    memory_exchange_free(exchange);
}

static void no_answer_about_an_id_is_no_answer_about_a_name(void **state)
{
    struct memory_exchange *exchange = get();
    (void)state;

    ask_for(ANN, NULL);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    memory_world_answer(&world, MEMORY_DATABASE_FAILS);
    assert_int_equal(exchange->result, CHAIN_NEXT);
    assert_int_equal(asked.status, CACHE_FAILED);
    assert_int_equal(world.load_total, 1);
    memory_exchange_free(exchange);
}

int main(void)
{
#define LOOKUP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define FIND(test)   cmocka_unit_test_setup_teardown(test, setup_finding, teardown)
    const struct CMUnitTest tests[] = {
        LOOKUP(a_miss_parks_and_the_answer_is_found_when_the_phase_runs_again),
        LOOKUP(what_is_cached_is_answered_at_once),
        LOOKUP(absence_is_told_and_remembered),
        LOOKUP(a_failure_ends_with_the_request_and_is_asked_anew_by_the_next),
        LOOKUP(two_questions_are_asked_one_after_the_other_and_both_kept),
        LOOKUP(one_request_gets_one_answer),
        LOOKUP(requests_that_wait_for_one_key_share_a_load),
        LOOKUP(beyond_the_queue_of_loads_the_answer_is_busy),
        LOOKUP(a_value_too_long_for_a_key_is_known_not_to_exist),
        LOOKUP(a_value_that_no_row_can_have_is_not_asked_for),
        LOOKUP(colons_in_a_value_do_not_make_another_key),
        LOOKUP(a_request_that_ends_while_it_waits_is_never_resumed),
        LOOKUP(an_answer_that_finds_its_request_gone_is_dropped),
        FIND(a_consumer_is_found_by_id_in_any_spelling_and_by_name),
        FIND(a_name_that_looks_like_an_id_is_looked_for_as_both),
        FIND(no_answer_about_an_id_is_no_answer_about_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
