/*
 * Windows that are counted here between two news: what was read for once and is gone again is not read for
 * for ever.
 */

#include "tests/unit/gateway/chain/walk.h"

#include "gateway/base/clock.h"
#include "gateway/chain/redis_target.h"
#include "gateway/chain/synced_teller.h"
#include "gateway/chain/tally.h"

/* A chain with windows, but no connection to a Redis: whatever it asks fails at once. */
struct scene {
    struct memory_world world;
    struct memory_exchange *exchange;
    struct synced_counters *counters;
    struct tally_settings settings;
    struct tally_window window;
    struct tally tally;
};

static void begin(struct scene *scene)
{
    cJSON *config = cJSON_Parse("{\"policy\":\"redis\",\"redis_host\":\"127.0.0.1\",\"sync_rate\":0.02}");
    static struct plugin_instance instance;

    *scene = (struct scene){0};
    memory_world_open(&scene->world, NULL, 0);
    scene->exchange = memory_exchange_new(&scene->world, "GET", "/", "", NULL);
    scene->counters = synced_counters_new(8);
    tally_settings_init(&scene->settings, config);
    cJSON_Delete(config);
    const struct synced_teller_options options = {.counters = scene->counters,
                                                  .clock = scene->world.chain_world.clock};
    scene->exchange->chain.teller = synced_teller_new(&options);
    scene->exchange->chain.running = &instance;
    scene->window = (struct tally_window){.period = "minute", .starts_s = 0, .ends_s = 60, .limit = 5};
    scene->tally = (struct tally){.settings = &scene->settings,
                                  .family = "ratelimit",
                                  .identity = STR("ann"),
                                  .now_s = 59,
                                  .windows = &scene->window,
                                  .count = 1};
}

static void end(struct scene *scene)
{
    synced_teller_free(scene->exchange->chain.teller);
    synced_counters_free(scene->counters);
    tally_settings_fini(&scene->settings);
    memory_exchange_free(scene->exchange);
    memory_world_close(&scene->world);
}

static void a_window_that_is_gone_when_it_has_been_read_is_counted_there(void **state)
{
    struct scene scene;
    (void)state;

    begin(&scene);
    scene.tally.has_answer = true; /* it was read, but has ended and was forgotten meanwhile */
    assert_int_equal(tally_take(&scene.exchange->chain, &scene.tally), TALLY_FAILED);
    assert_true(scene.tally.counts_there);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_that_is_gone_when_it_has_been_read_is_counted_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
