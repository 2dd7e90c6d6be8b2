/*
 * Publishing, pinning and freeing, with real loops.
 */

#include "snapshots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "gateway/base/pmap.h"
#include "gateway/chain/scope.h"
#include "gateway/io/loop.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/router/router.h"

enum {
    LOOPS = 3,
    PUBLISHED = 400,
    HELD = 4 /* pins a reader has at a time */
};

static const struct draft_options options = {.plugins = installed, .plugin_count = 1};

struct world {
    struct loop *loops[LOOPS];
    struct snapshot_place *place;
};

/* ---- work on a loop, waited for ---- */

struct errand {
    struct loop_message message;
    void (*run)(struct world *world, void *arg);
    struct world *world;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
};

static void run_errand(struct loop_message *message)
{
    struct errand *errand = CONTAINER_OF(message, struct errand, message);
    if (errand->run != NULL)
        errand->run(errand->world, errand->arg);
    pthread_mutex_lock(&errand->mutex);
    errand->is_done = true;
    pthread_cond_signal(&errand->done);
    pthread_mutex_unlock(&errand->mutex);
}

/* On loop 0, unless `run` is NULL: then only until what was posted before has run. */
static void on_loop(struct world *world, size_t number, void (*run)(struct world *world, void *arg),
                    void *arg)
{
    struct errand errand = {.message = {.run = run_errand}, .run = run, .world = world, .arg = arg};
    pthread_mutex_init(&errand.mutex, NULL);
    pthread_cond_init(&errand.done, NULL);
    loop_post(world->loops[number], &errand.message);
    pthread_mutex_lock(&errand.mutex);
    while (!errand.is_done)
        pthread_cond_wait(&errand.done, &errand.mutex);
    pthread_mutex_unlock(&errand.mutex);
    pthread_mutex_destroy(&errand.mutex);
    pthread_cond_destroy(&errand.done);
}

static void settle(struct world *world)
{
    for (size_t i = 0; i < LOOPS; i++)
        on_loop(world, i, NULL, NULL);
    snapshot_sweep(world->place);
}

static void pin_on_first(struct world *world, void *arg)
{
    *(const struct snapshot **)arg = snapshot_pin(world->place, 0);
}

static void unpin_on_first(struct world *world, void *arg)
{
    snapshot_unpin(world->place, 0, *(const struct snapshot **)arg);
}

static int open_world(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    struct err err = {0};
    for (size_t i = 0; i < LOOPS; i++)
        assert_true(loop_open("reader", &world->loops[i], &err));
    world->place = snapshot_place_new(world->loops, LOOPS);
    for (size_t i = 0; i < LOOPS; i++)
        assert_true(loop_start(world->loops[i], NULL, NULL, &err));
    *state = world;
    return 0;
}

static void end_loops(struct world *world)
{
    for (size_t i = 0; i < LOOPS; i++)
        if (world->loops[i] != NULL)
            loop_stop(world->loops[i]);
    for (size_t i = 0; i < LOOPS; i++) {
        loop_join(world->loops[i]);
        loop_close(world->loops[i]);
        world->loops[i] = NULL;
    }
}

static int close_world(void **state)
{
    struct world *world = *state;
    end_loops(world);
    snapshot_place_free(world->place);
    free(world);
    return live_settings;
}

/* Settings, service and route of a snapshot carry the same number; each has settings of its own. */
static struct snapshot *build(const struct snapshot *last, int number)
{
    struct draft *draft = draft_new(&options, last, DRAFT_CHANGED);
    struct err err = {0};
    char text[256];
    (void)snprintf(text, sizeof(text), "{'name':'counting','enabled':true,'config':{'number':%d}}", number);
    cJSON *plugin = test_row(1, text);
    (void)snprintf(text, sizeof(text), "{'host':'h','port':%d,'enabled':true}", number);
    cJSON *service = test_row(2, text);
    (void)snprintf(
        text, sizeof(text),
        "{'paths':['~/n/([0-9]+)'],'protocols':['http'],'service':{'id':'$2$'},'regex_priority':%d}", number);
    cJSON *route = test_row(4, text);
    assert_true(draft_put(draft, &plugin_setting_schema, plugin, &err));
    assert_true(draft_put(draft, &service_schema, service, &err));
    assert_true(draft_put(draft, &route_schema, route, &err));
    cJSON_Delete(plugin);
    cJSON_Delete(route);
    cJSON_Delete(service);
    return draft_finish(draft, (uint64_t)number, /* tag= */ 5);
}

static void publish(struct world *world, int number)
{
    snapshot_publish(world->place, build(snapshot_newest(world->place), number));
}

/* ---- facts ---- */

static void there_is_none_before_the_first(void **state)
{
    struct world *world = *state;
    const struct snapshot *pinned = NULL;
    on_loop(world, 0, pin_on_first, &pinned);
    assert_null(pinned);
    assert_null(snapshot_newest(world->place));
}

static void the_newest_is_what_is_pinned(void **state)
{
    struct world *world = *state;
    const struct snapshot *pinned = NULL;
    struct uuid service = test_id(2);
    publish(world, 7);
    publish(world, 8);
    on_loop(world, 0, pin_on_first, &pinned);
    assert_ptr_equal(pinned, snapshot_newest(world->place));
    assert_int_equal(pinned->number, 2);
    assert_int_equal(pinned->position, 8);
    assert_int_equal(pinned->tag, 5);
    assert_int_equal(snapshot_service(pinned, &service)->port, 8);
    on_loop(world, 0, unpin_on_first, &pinned);
}

static void a_pinned_snapshot_stays_until_it_is_let_go(void **state)
{
    struct world *world = *state;
    const struct snapshot *pinned = NULL;
    struct uuid service = test_id(2);
    publish(world, 1);
    on_loop(world, 0, pin_on_first, &pinned);
    publish(world, 2);
    publish(world, 3);
    settle(world);
    assert_int_equal(live_settings, 2); /* of 1 and 3; nobody had 2 */
    assert_int_equal(snapshot_service(pinned, &service)->port, 1);
    on_loop(world, 0, unpin_on_first, &pinned);
    snapshot_sweep(world->place);
    assert_int_equal(live_settings, 1);
}

static void the_newest_stays_although_nobody_pins_it(void **state)
{
    struct world *world = *state;
    const struct snapshot *pinned = NULL;
    publish(world, 1);
    on_loop(world, 0, pin_on_first, &pinned);
    on_loop(world, 0, unpin_on_first, &pinned);
    settle(world);
    assert_int_equal(live_settings, 1);
}

static void loops_that_have_ended_hold_nothing_up(void **state)
{
    struct world *world = *state;
    publish(world, 1);
    end_loops(world);
    assert_int_equal(live_settings, 1);
    snapshot_place_free(world->place);
    world->place = NULL;
    assert_int_equal(live_settings, 0);
}

static void without_loops_only_the_newest_is_kept(void **state)
{
    struct snapshot_place *place = snapshot_place_new(NULL, 0);
    (void)state;
    for (int i = 1; i <= 3; i++)
        snapshot_publish(place, build(snapshot_newest(place), i));
    assert_int_equal(live_settings, 1);
    snapshot_place_free(place);
    assert_int_equal(live_settings, 0);
    snapshot_place_free(NULL);
}

/* ---- many at once ---- */

/* A loop that pins and unpins in every turn, holding some pins over turns. */
struct reader {
    struct loop_message turn;
    struct world *world;
    size_t number;
    const struct snapshot *held[HELD];
    size_t turns, next;
    atomic_bool stopping, stopped;
    uint64_t newest_seen;
};

/* All that a request looks at is of the same snapshot. */
static void check_held(const struct snapshot *snapshot)
{
    const struct router_query query = {.method = STR("GET"), .path = STR("/n/42")};
    struct router_match match;
    struct uuid service_id = test_id(2), any_id = test_id(3);
    const struct service *service = snapshot_service(snapshot, &service_id);
    const struct plugin_instance *instance = scope_find(snapshot->scope, 0, &any_id, NULL, NULL);
    assert_int_equal(service->port, snapshot->position);
    assert_int_equal(*(const int *)instance->object, snapshot->position);
    assert_true(router_match(snapshot->router, &query, &match));
    assert_int_equal(match.route->regex_priority, snapshot->position);
    assert_true(str_equal(match.captures[1].value, STR("42")));
}

static void reader_turn(struct loop_message *message)
{
    struct reader *reader = CONTAINER_OF(message, struct reader, turn);
    struct snapshot_place *place = reader->world->place;
    const struct snapshot **slot = &reader->held[reader->next];
    bool stopping = atomic_load(&reader->stopping);
    for (size_t i = 0; i < HELD; i++)
        if (reader->held[i] != NULL)
            check_held(reader->held[i]);
    if (*slot != NULL)
        snapshot_unpin(place, reader->number, *slot);
    *slot = stopping ? NULL : snapshot_pin(place, reader->number);
    if (*slot != NULL) {
        assert_true((*slot)->position >= reader->newest_seen); /* never back */
        reader->newest_seen = (*slot)->position;
    }
    reader->next = (reader->next + 1) % HELD;
    reader->turns++;
    bool holds = false;
    for (size_t i = 0; i < HELD; i++)
        holds = holds || reader->held[i] != NULL;
    if (stopping && !holds)
        atomic_store(&reader->stopped, true);
    else
        loop_post(reader->world->loops[reader->number], &reader->turn);
}

static void pause_shortly(void)
{
    const struct timespec pause = {.tv_nsec = 100 * 1000};
    (void)nanosleep(&pause, NULL);
}

static void many_loops_and_many_snapshots(void **state)
{
    struct world *world = *state;
    static struct reader readers[LOOPS];
    publish(world, 1);
    for (size_t i = 0; i < LOOPS; i++) {
        readers[i].turn.run = reader_turn;
        readers[i].world = world;
        readers[i].number = i;
        loop_post(world->loops[i], &readers[i].turn);
    }
    for (int number = 2; number <= PUBLISHED; number++) {
        publish(world, number);
        if (number % 8 == 0)
            pause_shortly();
    }
    for (size_t i = 0; i < LOOPS; i++)
        atomic_store(&readers[i].stopping, true);
    for (size_t i = 0; i < LOOPS; i++)
        while (!atomic_load(&readers[i].stopped))
            pause_shortly();
    settle(world);
    assert_int_equal(live_settings, 1);
    for (size_t i = 0; i < LOOPS; i++)
        assert_true(readers[i].turns > HELD);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(there_is_none_before_the_first),
        IN_WORLD(the_newest_is_what_is_pinned),
        IN_WORLD(a_pinned_snapshot_stays_until_it_is_let_go),
        IN_WORLD(the_newest_stays_although_nobody_pins_it),
        IN_WORLD(loops_that_have_ended_hold_nothing_up),
        cmocka_unit_test(without_loops_only_the_newest_is_kept),
        IN_WORLD(many_loops_and_many_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
