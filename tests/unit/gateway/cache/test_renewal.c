/*
 * Entries in use that an event drops, and what the reader of the log puts back in their place.
 */

#include "tests/unit/gateway/cache/rig.h"

static int set_up(void **state)
{
    *state = rig_open_with(NULL);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static struct cache_renewal *invalidate(struct rig *rig, int key, uint64_t position)
{
    struct digest digest = rig_digest(key);

    return cache_invalidate_used(rig->cache, &digest, position);
}

/* number 0: the row is gone. Lets go of the renewal. */
static void renew(struct rig *rig, struct cache_renewal *renewal, uint64_t position, int number)
{
    struct cache_answer answer = {.position = position, .bytes = sizeof(struct rig_object)};

    if (number != 0) {
        struct rig_object *object = mem_alloc(sizeof(*object));
        *object = (struct rig_object){number, &rig->released};
        answer.object = object;
    }
    cache_renew(rig->cache, renewal, &answer);
    free(renewal);
}

static void an_entry_nobody_asked_for_again_is_just_dropped(void **state)
{
    rig_put(*state, 1, 5, 42);
    assert_null(invalidate(*state, 1, 6));
    assert_int_equal(rig_get(*state, 1), -1);
    assert_null(invalidate(*state, 2, 6)); /* nothing there */
}

static void an_entry_in_use_is_dropped_and_can_be_asked_for_again(void **state)
{
    struct cache_ask ask;
    char text[40];

    rig_put(*state, 7, 5, 42);
    assert_int_equal(rig_get(*state, 7), 42);
    struct cache_renewal *renewal = invalidate(*state, 7, 6);
    assert_non_null(renewal);
    assert_int_equal(rig_get(*state, 7), -1);
    (void)rig_ask(7, &ask, text);
    assert_true(digest_equal(&renewal->ask.digest, &ask.digest));
    assert_true(str_equal(renewal->ask.key, ask.key));
    assert_true(str_equal(renewal->ask.value, ask.value));
    assert_int_equal(renewal->ask.type, ask.type);
    assert_int_equal(renewal->ask.lookup, ask.lookup);
    renew(*state, renewal, 6, 43);
    assert_int_equal(rig_get(*state, 7), 43);
}

static void an_entry_newer_than_the_event_stays(void **state)
{
    rig_put(*state, 1, 6, 42);
    assert_int_equal(rig_get(*state, 1), 42);
    assert_null(invalidate(*state, 1, 6));
    assert_int_equal(rig_get(*state, 1), 42);
}

static void a_row_that_is_gone_becomes_an_absence(void **state)
{
    rig_put(*state, 1, 5, 42);
    assert_int_equal(rig_get(*state, 1), 42);
    renew(*state, invalidate(*state, 1, 6), 6, 0);
    assert_int_equal(rig_get(*state, 1), 0);
}

static void an_absence_in_use_becomes_what_was_created(void **state)
{
    rig_put_absence(*state, 1, 5);
    assert_int_equal(rig_get(*state, 1), 0);
    renew(*state, invalidate(*state, 1, 6), 6, 42);
    assert_int_equal(rig_get(*state, 1), 42);
}

static void what_is_older_than_a_later_event_is_not_put_back(void **state)
{
    rig_put(*state, 1, 5, 42);
    assert_int_equal(rig_get(*state, 1), 42);
    struct cache_renewal *renewal = invalidate(*state, 1, 6);
    rig_invalidate(*state, 1, 8);
    renew(*state, renewal, 7, 43);
    assert_int_equal(rig_get(*state, 1), -1);
}

static void a_purge_in_between_makes_it_suspect(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);

    for (int whole = 0; whole < 2; whole++) {
        uint64_t position = 10 * (uint64_t)(whole + 1);
        rig_put(rig, 1, position, 42);
        assert_int_equal(rig_get(rig, 1), 42);
        struct cache_renewal *renewal = invalidate(rig, 1, position + 1);
        if (whole != 0)
            cache_purge(rig->cache);
        else
            cache_purge_key(rig->cache, &digest);
        renew(rig, renewal, position + 1, 43);
        assert_int_equal(rig_get(rig, 1), -1);
    }
}

static void a_purge_since_the_last_batch_makes_it_suspect(void **state)
{
    struct rig *rig = *state;

    cache_purge(rig->cache); /* perhaps after the snapshot of the batch to come was taken */
    rig_put(rig, 1, 5, 42);
    assert_int_equal(rig_get(rig, 1), 42);
    renew(rig, invalidate(rig, 1, 6), 6, 43);
    assert_int_equal(rig_get(rig, 1), -1);
    cache_clear_suspicions(rig->cache); /* the batch ends */
    rig_put(rig, 1, 6, 43);
    assert_int_equal(rig_get(rig, 1), 43);
    renew(rig, invalidate(rig, 1, 7), 7, 44);
    assert_int_equal(rig_get(rig, 1), 44);
}

static void a_restart_in_between_refuses_it(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, 1, 5, 42);
    assert_int_equal(rig_get(rig, 1), 42);
    struct cache_renewal *renewal = invalidate(rig, 1, 6);
    cache_freeze(rig->cache);
    cache_restart(rig->cache, 3);
    renew(rig, renewal, 6, 43);
    assert_int_equal(rig_get(rig, 1), -1);
}

static void every_object_is_freed_once(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, 1, 5, 42);
    assert_int_equal(rig_get(rig, 1), 42);
    renew(rig, invalidate(rig, 1, 6), 6, 43);
    assert_int_equal(rig->released, 1);
    rig_invalidate(rig, 1, 7);
    assert_int_equal(rig->released, 2);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        FACT(an_entry_nobody_asked_for_again_is_just_dropped),
        FACT(an_entry_in_use_is_dropped_and_can_be_asked_for_again),
        FACT(an_entry_newer_than_the_event_stays),
        FACT(a_row_that_is_gone_becomes_an_absence),
        FACT(an_absence_in_use_becomes_what_was_created),
        FACT(what_is_older_than_a_later_event_is_not_put_back),
        FACT(a_purge_in_between_makes_it_suspect),
        FACT(a_purge_since_the_last_batch_makes_it_suspect),
        FACT(a_restart_in_between_refuses_it),
        FACT(every_object_is_freed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
