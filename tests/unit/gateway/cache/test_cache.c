/*
 * Entries: what is served, for how long, and what takes it away (consistency reference, 6.2, 6.3, 6.5).
 */

#include "tests/unit/gateway/cache/rig.h"

static int set_up(void **state)
{
    *state = rig_open_with(NULL);
    return 0;
}

static void ttl_of_100_s(struct cache_options *options)
{
    options->ttl_ms = 100000;
    options->negative_ttl_ms = 10000;
}

static int set_up_ttl(void **state)
{
    *state = rig_open_with(ttl_of_100_s);
    return 0;
}

static void small(struct cache_options *options)
{
    options->max_bytes = 1 << 20;
}

static int set_up_small(void **state)
{
    *state = rig_open_with(small);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static void an_unknown_key_is_a_miss(void **state)
{
    assert_int_equal(rig_get(*state, 1), -1);
}

static void what_was_loaded_is_a_hit(void **state)
{
    rig_put(*state, 1, /* position= */ 5, 42);
    assert_int_equal(rig_get(*state, 1), 42);
    assert_int_equal(rig_get(*state, 2), -1);
}

static void an_absence_is_remembered_from_the_second_miss_on(void **state)
{
    rig_put(*state, 1, 5, 0);
    assert_int_equal(rig_get(*state, 1), -1);
    rig_put(*state, 1, 5, 0);
    assert_int_equal(rig_get(*state, 1), 0);
}

static void two_misses_minutes_apart_are_not_remembered(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, 1, 5, 0);
    rig->now_us += 200 * (int64_t)SECOND;
    rig_put(rig, 1, 5, 0);
    assert_int_equal(rig_get(rig, 1), -1);
}

static void an_absence_that_two_waited_for_is_remembered_at_once(void **state)
{
    struct rig_waiter first, second;
    rig_fill(*state, 1, &first);
    rig_fill(*state, 1, &second);
    rig_answer(*state, 5, 0);
    assert_int_equal(rig_get(*state, 1), 0);
}

static void an_absence_takes_the_place_of_a_value(void **state)
{
    struct rig_waiter waiter;
    rig_put(*state, 1, 5, 42);
    rig_fill(*state, 1, &waiter);
    rig_answer(*state, 6, 0);
    assert_int_equal(waiter.status, CACHE_NEGATIVE);
    assert_int_equal(rig_get(*state, 1), 0);
}

static void an_invalidation_removes_what_is_older(void **state)
{
    rig_put(*state, 1, 5, 42);
    rig_invalidate(*state, 1, 6);
    assert_int_equal(rig_get(*state, 1), -1);
}

static void an_invalidation_removes_an_older_absence(void **state)
{
    rig_put_absence(*state, 1, 5);
    rig_invalidate(*state, 1, 6);
    assert_int_equal(rig_get(*state, 1), -1);
}

static void an_invalidation_keeps_what_is_as_new(void **state)
{
    rig_put(*state, 1, 6, 42);
    rig_invalidate(*state, 1, 6);
    rig_invalidate(*state, 1, 4);
    assert_int_equal(rig_get(*state, 1), 42);
}

static void a_type_and_everything_can_be_invalidated(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, 1, 5, 11);
    rig_put(rig, 2, 5, 12);
    cache_invalidate_type(rig->cache, /* type= */ 1, 6);
    assert_int_equal(rig_get(rig, 1), -1);
    assert_int_equal(rig_get(rig, 2), 12);
    cache_invalidate_all(rig->cache, 7);
    assert_int_equal(rig_get(rig, 2), -1);
    rig_put(rig, 2, 7, 22);
    assert_int_equal(rig_get(rig, 2), 22);
}

static void an_older_answer_does_not_replace_a_newer(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter slow, quick;
    rig_fill(rig, 1, &slow);
    cache_purge(rig->cache); /* a later request may not join, so a second load begins */
    rig_fill(rig, 1, &quick);
    rig_answer_load(rig, 1, 9, 99);
    rig_answer_load(rig, 0, 8, 88);
    assert_int_equal(quick.object, 99);
    assert_int_equal(slow.object, 88); /* nothing invalidated it: it may be handed out, not kept */
    assert_int_equal(rig_get(rig, 1), 99);
}

static void a_value_lives_as_long_as_its_holder(void **state)
{
    struct rig *rig = *state;
    struct cache_ask ask;
    char text[40];
    const struct cache_value *value;
    rig_put(rig, 1, 5, 42);
    assert_int_equal(cache_get(rig->cache, rig_ask(1, &ask, text), &value), CACHE_HIT);
    rig_invalidate(rig, 1, 6);
    assert_int_equal(rig->released, 0);
    assert_int_equal(((const struct rig_object *)cache_value_object(value))->number, 42);
    cache_value_unref(value);
    assert_int_equal(rig->released, 1);
}

static int released_otherwise;

static void release_otherwise(void *object)
{
    released_otherwise++;
    free(object);
}

static void an_answer_can_say_how_its_value_is_freed(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;

    released_otherwise = 0;
    rig_fill(rig, 1, &waiter);
    struct rig_object *object = mem_alloc(sizeof(*object));
    *object = (struct rig_object){42, &rig->released};
    const struct cache_answer answer = {
        .position = 5, .bytes = sizeof(*object), .object = object, .release = release_otherwise};
    cache_fill_done(rig->cache, rig->loads[rig->answered++].flight, &answer);
    assert_int_equal(rig_get(rig, 1), 42);
    rig_invalidate(rig, 1, 6);
    assert_int_equal(released_otherwise, 1);
    assert_int_equal(rig->released, 0);
}

static void a_value_ends_within_the_last_tenth_of_its_time(void **state)
{
    struct rig *rig = *state;
    int alive = 0;
    for (int key = 0; key < 100; key++)
        rig_put(rig, key, 5, 1);
    rig->now_us += 89 * (int64_t)SECOND;
    for (int key = 0; key < 100; key++)
        assert_int_equal(rig_get(rig, key), 1);
    rig->now_us += 6 * (int64_t)SECOND;
    for (int key = 0; key < 100; key++)
        alive += rig_get(rig, key) == 1;
    assert_in_range(alive, 20, 80);
    rig->now_us += 6 * (int64_t)SECOND;
    for (int key = 0; key < 100; key++)
        assert_int_equal(rig_get(rig, key), -1);
}

static void absences_have_a_time_of_their_own(void **state)
{
    struct rig *rig = *state;
    rig_put_absence(rig, 1, 5);
    rig->now_us += 11 * (int64_t)SECOND;
    assert_int_equal(rig_get(rig, 1), -1);
}

static void settings_change_while_running(void **state)
{
    struct rig *rig = *state;
    rig->options.ttl_ms = 1000;
    cache_reload(rig->cache, &rig->options);
    rig_put(rig, 1, 5, 1);
    rig->now_us += 2 * (int64_t)SECOND;
    assert_int_equal(rig_get(rig, 1), -1);
}

static void a_hit_near_the_end_loads_again_in_the_background(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    int64_t until_us = rig->now_us + 101 * (int64_t)SECOND;
    rig_fill(rig, 1, &waiter);
    rig->now_us += 1 * (int64_t)SECOND; /* this load took a second: the refresh begins some seconds ahead */
    rig_answer(rig, 5, 1);
    while (rig->load_count == 1 && rig->now_us < until_us && rig_get(rig, 1) == 1)
        rig->now_us += SECOND / 100;
    assert_int_equal(rig->load_count, 2);
    assert_int_equal(rig_get(rig, 1), 1); /* everybody is served meanwhile */
    assert_int_equal(rig->load_count, 2); /* by one load */
    rig_answer(rig, 6, 2);
    assert_int_equal(rig_get(rig, 1), 2);
}

static void a_hint_makes_older_entries_suspect_until_loaded_again(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);
    rig_put(rig, 1, 5, 42);
    cache_suspect(rig->cache, &digest, 5, /* applied= */ 5);
    assert_int_equal(rig_get(rig, 1), 42);
    cache_suspect(rig->cache, &digest, 6, 5);
    assert_int_equal(rig_get(rig, 1), -1);
    rig_put(rig, 1, 5, 42); /* the primary: hints do not bind it */
    assert_int_equal(rig_get(rig, 1), 42);
}

static void a_purge_makes_everything_suspect_and_frees_nothing(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, 1, 5, 42);
    cache_purge(rig->cache);
    assert_int_equal(rig_get(rig, 1), -1);
    assert_int_equal(rig_stats(rig).entries, 1);
    assert_int_equal(rig->released, 0);
    rig_put(rig, 1, 5, 43);
    assert_int_equal(rig_get(rig, 1), 43);
}

static void a_purge_of_a_key_leaves_the_others(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);
    rig_put(rig, 1, 5, 42);
    rig_put(rig, 2, 5, 43);
    cache_purge_key(rig->cache, &digest);
    assert_int_equal(rig_get(rig, 1), -1);
    assert_int_equal(rig_get(rig, 2), 43);
}

static void an_answer_read_before_a_purge_arrives_suspect(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    cache_purge(rig->cache);
    rig_answer(rig, 5, 42);
    assert_int_equal(waiter.object, 42); /* it asked before */
    assert_int_equal(rig_get(rig, 1), -1);

    rig_fill(rig, 1, &waiter);
    cache_purge_key(rig->cache, &digest);
    rig_answer(rig, 5, 42);
    assert_int_equal(rig_get(rig, 1), -1);
}

/* The second look at the clock is made when the answer is about to go in. */
static int64_t purge_at_the_last_moment(void *arg)
{
    struct rig *rig = arg;
    struct digest digest = rig_digest(1);
    if (++rig->clock_calls == 2)
        cache_purge_key(rig->cache, &digest);
    return rig->now_us;
}

static void a_purge_of_a_key_just_before_an_answer_goes_in_makes_it_suspect(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig->clock.monotonic_us = purge_at_the_last_moment;
    rig_answer(rig, 5, 42);
    assert_in_range(rig->clock_calls, 2, 3);
    assert_int_equal(waiter.object, 42); /* it asked before */
    assert_int_equal(rig_get(rig, 1), -1);
}

static void a_request_after_a_purge_does_not_join_an_older_load(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter before, after;
    rig_fill(rig, 1, &before);
    cache_purge(rig->cache);
    rig_fill(rig, 1, &after);
    assert_int_equal(rig->load_count, 2);
    rig_answer(rig, 5, 42);
    assert_int_equal(before.told, 1);
    assert_int_equal(after.told, 0);
    rig_answer(rig, 5, 43);
    assert_int_equal(after.object, 43);
}

static void a_restart_drops_everything_and_lowers_the_fences(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, 1, 100, 42);
    rig_invalidate(rig, 2, 100);
    cache_freeze(rig->cache);
    assert_int_equal(rig_get(rig, 1), 42); /* hits go on */
    cache_restart(rig->cache, /* head= */ 50);
    assert_int_equal(rig_get(rig, 1), -1);
    rig_put(rig, 2, 50, 43);
    assert_int_equal(rig_get(rig, 2), 43);
    assert_int_equal(rig_stats(rig).entries, 1);
}

static void each_entry_shows_what_it_is(void *arg, const struct cache_entry_info *info)
{
    struct cache_entry_info *copy = arg;
    assert_true(str_starts_with(info->key, STR("consumers:")));
    *copy = *info;
}

static void an_entry_can_be_looked_at(void **state)
{
    struct rig *rig = *state;
    struct cache_entry_info info;
    struct digest value = rig_digest(1), absence = rig_digest(2), none = rig_digest(3);
    rig_put(rig, 1, 7, 42);
    rig_put_absence(rig, 2, 8);
    rig->now_us += 1 * (int64_t)SECOND;
    assert_true(cache_peek(rig->cache, &value, each_entry_shows_what_it_is, &info));
    assert_false(info.negative);
    assert_int_equal(info.position, 7);
    assert_int_equal(info.age_ms, 1000);
    assert_in_range(info.expires_in_ms, 89000, 99000);
    assert_non_null(info.object);
    assert_true(cache_peek(rig->cache, &absence, each_entry_shows_what_it_is, &info));
    assert_true(info.negative);
    assert_null(info.object);
    assert_false(cache_peek(rig->cache, &none, each_entry_shows_what_it_is, &info));
}

static void a_suspect_entry_is_not_shown_a_stale_one_is(void **state)
{
    struct rig *rig = *state;
    struct cache_entry_info info;
    struct digest digest = rig_digest(1);
    rig_put(rig, 1, 7, 42);
    rig->now_us += 200 * (int64_t)SECOND;
    assert_true(cache_peek(rig->cache, &digest, each_entry_shows_what_it_is, &info));
    cache_purge(rig->cache);
    assert_false(cache_peek(rig->cache, &digest, each_entry_shows_what_it_is, &info));
}

static void count_entry(void *arg, const struct cache_entry_info *info)
{
    (void)info;
    (*(int *)arg)++;
}

static void entries_are_listed_by_prefix(void **state)
{
    struct rig *rig = *state;
    int count = 0;
    for (int key = 100; key < 120; key++)
        rig_put(rig, key, 5, key);
    cache_each(rig->cache, STR("consumers:11"), count_entry, &count);
    assert_int_equal(count, 10);
    cache_each(rig->cache, STR("keyauth"), count_entry, &count);
    assert_int_equal(count, 10);
}

static void memory_stays_within_its_limit(void **state)
{
    struct rig *rig = *state;
    for (int key = 0; key < 20000; key++)
        if (rig_get(rig, key) == -1) {
            rig->load_count = rig->answered = 0;
            rig_put(rig, key, 5, key + 1);
        }
    struct cache_stats stats = rig_stats(rig);
    assert_in_range(stats.bytes, 400000, 1 << 20);
    assert_int_equal(rig->released, 20000 - (int)stats.entries);
}

static void used_entries_survive_a_scan(void **state)
{
    struct rig *rig = *state;
    int alive = 0;
    for (int key = 0; key < 100; key++)
        rig_put(rig, key, 5, 1);
    for (int scan = 0; scan < 20000; scan++) {
        if (scan % 50 == 0)
            for (int key = 0; key < 100; key++)
                (void)rig_get(rig, key);
        rig->load_count = rig->answered = 0;
        rig_put(rig, 1000 + scan, 5, 1);
    }
    for (int key = 0; key < 100; key++)
        alive += rig_get(rig, key) == 1;
    assert_in_range(alive, 95, 100);
}

static void absences_cannot_push_out_values(void **state)
{
    struct rig *rig = *state;
    for (int key = 0; key < 1000; key++) {
        rig->load_count = rig->answered = 0;
        rig_put(rig, key, 5, 1);
    }
    uint64_t values = rig_stats(rig).entries;
    for (int key = 10000; key < 40000; key++) {
        rig->load_count = rig->answered = 0;
        rig_put(rig, key, 5, 0);
        rig_put(rig, key, 5, 0);
    }
    struct cache_stats stats = rig_stats(rig);
    assert_int_equal(stats.entries, values);
    assert_in_range(stats.negatives, 100, 2000);
}

int main(void)
{
#define FACT(name, how) cmocka_unit_test_setup_teardown(name, how, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(an_unknown_key_is_a_miss, set_up),
        FACT(what_was_loaded_is_a_hit, set_up),
        FACT(an_absence_is_remembered_from_the_second_miss_on, set_up),
        FACT(two_misses_minutes_apart_are_not_remembered, set_up),
        FACT(an_absence_that_two_waited_for_is_remembered_at_once, set_up),
        FACT(an_absence_takes_the_place_of_a_value, set_up),
        FACT(an_invalidation_removes_what_is_older, set_up),
        FACT(an_invalidation_removes_an_older_absence, set_up),
        FACT(an_invalidation_keeps_what_is_as_new, set_up),
        FACT(a_type_and_everything_can_be_invalidated, set_up),
        FACT(an_older_answer_does_not_replace_a_newer, set_up),
        FACT(a_value_lives_as_long_as_its_holder, set_up),
        FACT(an_answer_can_say_how_its_value_is_freed, set_up),
        FACT(a_value_ends_within_the_last_tenth_of_its_time, set_up_ttl),
        FACT(absences_have_a_time_of_their_own, set_up_ttl),
        FACT(settings_change_while_running, set_up_ttl),
        FACT(a_hit_near_the_end_loads_again_in_the_background, set_up_ttl),
        FACT(a_hint_makes_older_entries_suspect_until_loaded_again, set_up),
        FACT(a_purge_makes_everything_suspect_and_frees_nothing, set_up),
        FACT(a_purge_of_a_key_leaves_the_others, set_up),
        FACT(an_answer_read_before_a_purge_arrives_suspect, set_up),
        FACT(a_purge_of_a_key_just_before_an_answer_goes_in_makes_it_suspect, set_up),
        FACT(a_request_after_a_purge_does_not_join_an_older_load, set_up),
        FACT(a_restart_drops_everything_and_lowers_the_fences, set_up),
        FACT(an_entry_can_be_looked_at, set_up_ttl),
        FACT(a_suspect_entry_is_not_shown_a_stale_one_is, set_up_ttl),
        FACT(entries_are_listed_by_prefix, set_up),
        FACT(memory_stays_within_its_limit, set_up_small),
        FACT(used_entries_survive_a_scan, set_up_small),
        FACT(absences_cannot_push_out_values, set_up_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
