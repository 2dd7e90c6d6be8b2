/*
 * Loads: one per key, what is refused, who is told what, and what happens when the database does not answer
 * (consistency reference, 6.2 to 6.6).
 */

#include "tests/unit/gateway/cache/rig.h"

static int set_up(void **state)
{
    *state = rig_open_with(NULL);
    return 0;
}

static void with_replica(struct cache_options *options)
{
    options->has_replica = true;
}

static int set_up_replica(void **state)
{
    *state = rig_open_with(with_replica);
    return 0;
}

static void with_delay_gate(struct cache_options *options)
{
    options->has_replica = true;
    options->delay_gate = true;
    options->propagation_ms = 5000;
}

static int set_up_delay(void **state)
{
    *state = rig_open_with(with_delay_gate);
    return 0;
}

static void with_ttl(struct cache_options *options)
{
    options->ttl_ms = 100000;
}

static int set_up_ttl(void **state)
{
    *state = rig_open_with(with_ttl);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static void many_waiters_cause_one_load(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiters[50];
    for (size_t i = 0; i < 50; i++)
        rig_fill(rig, 1, &waiters[i]);
    assert_int_equal(rig->load_count, 1);
    rig_answer(rig, 5, 42);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(waiters[i].told, 1);
        assert_int_equal(waiters[i].object, 42);
    }
}

static void a_slow_read_cannot_undo_an_invalidation(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig_invalidate(rig, 1, 8);
    rig_answer(rig, 7, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig_get(rig, 1), -1);
    rig_answer(rig, 8, 43); /* asked again at once */
    assert_int_equal(waiter.object, 43);
    assert_int_equal(rig_get(rig, 1), 43);
}

static void a_slow_absence_cannot_undo_an_invalidation(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter first, second;
    rig_fill(rig, 1, &first);
    rig_fill(rig, 1, &second);
    rig_invalidate(rig, 1, 8);
    rig_answer(rig, 7, 0);
    assert_int_equal(first.told, 0);
    rig_answer(rig, 8, 43);
    assert_int_equal(first.object, 43);
    assert_int_equal(second.object, 43);
}

static void fences_of_a_type_and_of_everything_bind_answers(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    cache_invalidate_type(rig->cache, 1, 8);
    rig_answer(rig, 7, 42);
    assert_int_equal(waiter.told, 0);
    cache_invalidate_all(rig->cache, 9);
    rig_answer(rig, 8, 42);
    assert_int_equal(waiter.told, 0);
    rig_answer(rig, 9, 43);
    assert_int_equal(waiter.object, 43);
}

static void an_answer_of_another_history_goes_to_nobody(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig->judgement = CACHE_CONTRADICTS;
    rig_answer(rig, 9, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig->released, 1);
    rig->judgement = CACHE_ACCEPT;
    rig_answer(rig, 9, 43);
    assert_int_equal(waiter.object, 43);
}

static void what_may_only_be_passed_on_is_not_kept(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig->judgement = CACHE_PASS;
    rig_answer(rig, 9, 42);
    assert_int_equal(waiter.object, 42);
    assert_int_equal(rig_get(rig, 1), -1);
}

static void restart_meanwhile(struct rig *rig)
{
    cache_freeze(rig->cache);
    cache_restart(rig->cache, /* head= */ 3);
}

static void freeze_meanwhile(struct rig *rig)
{
    cache_freeze(rig->cache);
}

static void an_answer_judged_before_a_restart_is_refused_after_it(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig->while_judging = restart_meanwhile;
    rig_answer(rig, 9, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig_get(rig, 1), -1);
    rig->while_judging = NULL;
    rig_answer(rig, 3, 43);
    assert_int_equal(waiter.object, 43);
}

static void nothing_arrives_while_frozen(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    cache_freeze(rig->cache);
    rig_fill(rig, 1, &waiter);
    rig_answer(rig, 9, 42);
    assert_int_equal(waiter.told, 0);
    cache_restart(rig->cache, 9);
    rig->while_judging = freeze_meanwhile;
    rig_answer(rig, 9, 42);
    assert_int_equal(waiter.told, 0);
    cache_restart(rig->cache, 9);
}

static void what_is_older_than_the_restart_is_refused(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    cache_freeze(rig->cache);
    cache_restart(rig->cache, 9);
    rig_fill(rig, 1, &waiter);
    rig_answer(rig, 8, 42);
    assert_int_equal(waiter.told, 0);
    rig_answer(rig, 9, 43);
    assert_int_equal(waiter.object, 43);
}

static void a_replica_is_asked_first_and_a_lagging_one_once(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_invalidate(rig, 1, 8);
    rig_fill(rig, 1, &waiter);
    assert_int_equal(rig->loads[0].source, CACHE_FROM_REPLICA);
    rig_answer(rig, 7, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig->loads[1].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 9, 43);
    assert_int_equal(waiter.object, 43);
    assert_int_equal(rig->load_count, 2);
}

static void a_lagging_replica_serves_what_did_not_change(void **state)
{
    struct rig *rig = *state;
    rig_invalidate(rig, 2, 1000);
    rig_put(rig, 1, 7, 42);
    assert_int_equal(rig_get(rig, 1), 42);
    assert_int_equal(rig->load_count, 1);
}

static void a_replica_must_show_what_was_hinted(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);
    struct rig_waiter waiter;
    cache_suspect(rig->cache, &digest, 8, /* applied= */ 5);
    rig_fill(rig, 1, &waiter);
    rig_answer(rig, 7, 42);
    assert_int_equal(rig->loads[1].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 7, 43); /* the hint was a lie: the primary need not show it */
    assert_int_equal(waiter.object, 43);
}

static void a_poll_clears_what_was_hinted(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);
    cache_suspect(rig->cache, &digest, 8, 5);
    cache_clear_suspicions(rig->cache);
    rig_put(rig, 1, 5, 42);
    assert_int_equal(rig->load_count, 1);
}

static void a_forged_hint_reaches_only_so_far(void **state)
{
    struct rig *rig = *state;
    struct digest digest = rig_digest(1);
    cache_suspect(rig->cache, &digest, UINT64_MAX, /* applied= */ 5);
    rig_put(rig, 1, 5 + 4096, 42);
    assert_int_equal(rig->load_count, 1);
}

static void a_replica_that_fails_is_replaced_by_the_primary(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig_fail(rig);
    assert_int_equal(rig->loads[1].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 5, 42);
    assert_int_equal(waiter.object, 42);
}

static void an_answer_older_than_memory_is_asked_of_the_primary(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig->judgement = CACHE_OLD;
    rig_answer(rig, 5, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig->loads[1].source, CACHE_FROM_PRIMARY);
}

static void changed_keys_avoid_the_replica_for_a_while(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_invalidate(rig, 1, 8);
    rig_fill(rig, 1, &waiter);
    assert_int_equal(rig->loads[0].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 8, 42);
    rig_put(rig, 2, 0, 43); /* the replica carries no positions */
    assert_int_equal(rig->loads[1].source, CACHE_FROM_REPLICA);
    assert_int_equal(rig_get(rig, 2), 43);
    rig->now_us += 6 * (int64_t)SECOND;
    rig_invalidate(rig, 3, 9);
    rig_put(rig, 1, 8, 44);
    assert_int_equal(rig->loads[2].source, CACHE_FROM_REPLICA);
    cache_invalidate_all(rig->cache, 10);
    rig_fill(rig, 2, &waiter);
    assert_int_equal(rig->loads[3].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 10, 45);
}

static void a_change_during_a_read_from_such_a_replica_refuses_it(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    assert_int_equal(rig->loads[0].source, CACHE_FROM_REPLICA);
    rig_invalidate(rig, 1, 8);
    rig_answer(rig, 0, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig->loads[1].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 8, 43);
    assert_int_equal(waiter.object, 43);
}

static void a_restart_during_a_read_from_such_a_replica_refuses_it(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_invalidate(rig, 1, 100);
    rig->now_us += 6 * (int64_t)SECOND;
    rig_fill(rig, 1, &waiter);
    assert_int_equal(rig->loads[0].source, CACHE_FROM_REPLICA);
    cache_freeze(rig->cache);
    cache_restart(rig->cache, /* head= */ 50); /* commits were lost */
    rig_answer(rig, 0, 42);
    assert_int_equal(waiter.told, 0);
    assert_int_equal(rig->loads[1].source, CACHE_FROM_PRIMARY);
    rig_answer(rig, 50, 43);
    assert_int_equal(waiter.object, 43);
}

static void what_such_a_replica_was_asked_while_frozen_is_refused(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_invalidate(rig, 1, 100);
    rig->now_us += 6 * (int64_t)SECOND;
    cache_freeze(rig->cache);
    rig_fill(rig, 1, &waiter); /* the fence is still that of the history before */
    assert_int_equal(rig->loads[0].source, CACHE_FROM_REPLICA);
    cache_restart(rig->cache, 50);
    rig_answer(rig, 0, 42);
    assert_int_equal(waiter.told, 0);
    rig_answer(rig, 50, 43);
    assert_int_equal(waiter.object, 43);
}

static void loads_beyond_the_limit_queue_and_beyond_that_are_busy(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiters[9];
    for (int i = 0; i < 9; i++)
        rig_fill(rig, i, &waiters[i]);
    assert_int_equal(rig->load_count, 4);
    assert_int_equal(rig_stats(rig).queued, 4);
    assert_int_equal(waiters[8].told, 0); /* never from inside cache_fill() */
    cache_tick(rig->cache);
    assert_int_equal(waiters[8].told, 1);
    assert_int_equal(waiters[8].status, CACHE_BUSY);
    for (int i = 0; i < 8; i++)
        rig_answer(rig, 5, 100 + i);
    for (int i = 0; i < 8; i++)
        assert_int_equal(waiters[i].object, 100 + i);
    assert_int_equal(rig_stats(rig).flights, 0);
}

static void what_nobody_waits_for_any_more_leaves_the_queue_unloaded(void **state)
{
    struct rig *rig = *state;
    struct digest last = rig_digest(5);
    struct rig_waiter waiters[6];
    for (int i = 0; i < 6; i++)
        rig_fill(rig, i, &waiters[i]);
    assert_true(cache_cancel(rig->cache, &waiters[4].super));
    rig_answer(rig, 5, 1);
    assert_int_equal(rig->load_count, 5);
    assert_true(digest_equal(&rig->loads[4].digest, &last));
    for (int i = 0; i < 4; i++)
        rig_answer(rig, 5, 1);
    assert_int_equal(rig_stats(rig).flights, 0);
    assert_int_equal(waiters[4].told, 0);
}

static void a_cancelled_waiter_is_not_told(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiters[3];
    for (int i = 0; i < 3; i++)
        rig_fill(rig, 1, &waiters[i]);
    assert_true(cache_cancel(rig->cache, &waiters[1].super));
    rig_answer(rig, 5, 42);
    assert_int_equal(waiters[0].told, 1);
    assert_int_equal(waiters[1].told, 0);
    assert_int_equal(waiters[2].told, 1);
    assert_false(cache_cancel(rig->cache, &waiters[0].super));
    assert_false(cache_cancel(rig->cache, &waiters[1].super));
}

static void each_waiter_has_a_deadline_of_its_own(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter early, late;
    rig_fill(rig, 1, &early);
    rig->now_us += 1500000;
    rig_fill(rig, 1, &late);
    rig->now_us += 600000;
    cache_tick(rig->cache);
    assert_int_equal(early.told, 1);
    assert_int_equal(early.status, CACHE_FAILED);
    assert_int_equal(late.told, 0);
    rig_answer(rig, 5, 42); /* the load goes on */
    assert_int_equal(late.object, 42);
    assert_int_equal(rig_get(rig, 1), 42);
}

static void a_failure_is_told_when_nothing_can_stand_in(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_fill(rig, 1, &waiter);
    rig_fail(rig);
    assert_int_equal(waiter.told, 1);
    assert_int_equal(waiter.status, CACHE_FAILED);
}

static void a_stale_value_stands_in_for_a_while(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_put(rig, 1, 5, 42);
    rig->now_us += 101 * (int64_t)SECOND;
    assert_int_equal(rig_get(rig, 1), -1);
    rig_fill(rig, 1, &waiter);
    rig_fail(rig);
    assert_int_equal(waiter.object, 42);
    rig->now_us += 29 * (int64_t)SECOND;
    assert_int_equal(rig_get(rig, 1), 42);
    rig->now_us += 2 * (int64_t)SECOND;
    assert_int_equal(rig_get(rig, 1), -1);
}

static void a_suspect_value_stands_in_too(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_put(rig, 1, 5, 42);
    cache_purge(rig->cache);
    rig_fill(rig, 1, &waiter);
    rig_fail(rig);
    assert_int_equal(waiter.object, 42);
    assert_int_equal(rig_get(rig, 1), 42);
}

static void what_was_invalidated_never_stands_in(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter one, two;
    rig_put(rig, 1, 5, 42);
    rig_put(rig, 2, 5, 43);
    rig_invalidate(rig, 1, 6);
    cache_invalidate_type(rig->cache, /* type= */ 2, 7);
    rig_fill(rig, 1, &one);
    rig_fail(rig);
    rig_fill(rig, 2, &two);
    rig_fail(rig);
    assert_int_equal(one.status, CACHE_FAILED);
    assert_int_equal(two.status, CACHE_FAILED);
}

/* The clock is looked at when it is decided what may stand in. */
static int64_t ask_at_the_last_moment(void *arg)
{
    struct rig *rig = arg;
    if (rig->clock_calls++ == 0) {
        rig_invalidate(rig, 1, 6);
        rig_fill(rig, 1, &rig->late);
    }
    return rig->now_us;
}

static void who_asks_while_a_load_is_given_up_begins_another(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_put(rig, 1, 5, 42);
    cache_purge(rig->cache);
    rig_fill(rig, 1, &waiter);
    rig->clock.monotonic_us = ask_at_the_last_moment;
    rig_fail(rig);
    assert_int_equal(waiter.told, 1);
    assert_int_equal(rig->late.told, 0); /* it may insist on 6 */
    assert_int_equal(rig->load_count, 3);
    rig_answer(rig, 6, 43);
    assert_int_equal(rig->late.object, 43);
}

static void a_failed_refresh_does_not_shorten_a_life(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_put(rig, 1, 5, 42);
    rig_fill(rig, 1, &waiter);
    rig_fail(rig);
    assert_int_equal(waiter.object, 42);
    rig->now_us += 60 * (int64_t)SECOND; /* more than the 30 s of a stand-in */
    assert_int_equal(rig_get(rig, 1), 42);
}

static void refusals_in_a_row_wait_for_the_tick(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_invalidate(rig, 1, 8);
    rig_fill(rig, 1, &waiter);
    for (int i = 0; i < 3; i++)
        rig_answer(rig, 7, 42);
    assert_int_equal(rig->load_count, 3);
    cache_tick(rig->cache);
    assert_int_equal(rig->load_count, 4);
    rig_answer(rig, 8, 43);
    assert_int_equal(waiter.object, 43);
}

static void a_refused_load_that_nobody_waits_for_ends(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_invalidate(rig, 1, 8);
    rig_fill(rig, 1, &waiter);
    assert_true(cache_cancel(rig->cache, &waiter.super));
    for (int i = 0; i < 3; i++)
        rig_answer(rig, 7, 42);
    assert_int_equal(rig_stats(rig).flights, 0);
    assert_int_equal(rig->released, 3);
}

static void a_refused_load_that_nobody_waits_for_brings_nothing_back(void **state)
{
    struct rig *rig = *state;
    struct rig_waiter waiter;
    rig_put(rig, 1, 5, 42);
    cache_purge(rig->cache);
    rig_fill(rig, 1, &waiter);
    assert_true(cache_cancel(rig->cache, &waiter.super));
    rig->judgement = CACHE_CONTRADICTS;
    for (int i = 0; i < 3; i++)
        rig_answer(rig, 6, 43);
    assert_int_equal(rig_stats(rig).flights, 0);
    assert_int_equal(rig_get(rig, 1), -1); /* the database is there: what was purged does not stand in */
}

static void an_absurdly_long_key_is_turned_away(void **state)
{
    struct rig *rig = *state;
    char text[CACHE_KEY_MAX + 1];
    struct rig_waiter waiter = {.super.on_done = rig_told};
    memset(text, 'x', sizeof(text));
    const struct cache_ask ask = {
        .digest = rig_digest(1), .key = {text, sizeof(text)}, .value = {text, sizeof(text)}};
    cache_fill(rig->cache, &ask, &waiter.super);
    cache_tick(rig->cache);
    assert_int_equal(waiter.status, CACHE_BUSY);
    assert_int_equal(rig->load_count, 0);
}

int main(void)
{
#define FACT(name, how) cmocka_unit_test_setup_teardown(name, how, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(many_waiters_cause_one_load, set_up),
        FACT(a_slow_read_cannot_undo_an_invalidation, set_up),
        FACT(a_slow_absence_cannot_undo_an_invalidation, set_up),
        FACT(fences_of_a_type_and_of_everything_bind_answers, set_up),
        FACT(an_answer_of_another_history_goes_to_nobody, set_up),
        FACT(what_may_only_be_passed_on_is_not_kept, set_up),
        FACT(an_answer_judged_before_a_restart_is_refused_after_it, set_up),
        FACT(nothing_arrives_while_frozen, set_up),
        FACT(what_is_older_than_the_restart_is_refused, set_up),
        FACT(a_replica_is_asked_first_and_a_lagging_one_once, set_up_replica),
        FACT(a_lagging_replica_serves_what_did_not_change, set_up_replica),
        FACT(a_replica_must_show_what_was_hinted, set_up_replica),
        FACT(a_poll_clears_what_was_hinted, set_up_replica),
        FACT(a_forged_hint_reaches_only_so_far, set_up_replica),
        FACT(a_replica_that_fails_is_replaced_by_the_primary, set_up_replica),
        FACT(an_answer_older_than_memory_is_asked_of_the_primary, set_up_replica),
        FACT(changed_keys_avoid_the_replica_for_a_while, set_up_delay),
        FACT(a_change_during_a_read_from_such_a_replica_refuses_it, set_up_delay),
        FACT(a_restart_during_a_read_from_such_a_replica_refuses_it, set_up_delay),
        FACT(what_such_a_replica_was_asked_while_frozen_is_refused, set_up_delay),
        FACT(loads_beyond_the_limit_queue_and_beyond_that_are_busy, set_up),
        FACT(what_nobody_waits_for_any_more_leaves_the_queue_unloaded, set_up),
        FACT(a_cancelled_waiter_is_not_told, set_up),
        FACT(each_waiter_has_a_deadline_of_its_own, set_up),
        FACT(a_failure_is_told_when_nothing_can_stand_in, set_up),
        FACT(a_stale_value_stands_in_for_a_while, set_up_ttl),
        FACT(a_suspect_value_stands_in_too, set_up_ttl),
        FACT(what_was_invalidated_never_stands_in, set_up),
        FACT(who_asks_while_a_load_is_given_up_begins_another, set_up),
        FACT(a_failed_refresh_does_not_shorten_a_life, set_up_ttl),
        FACT(refusals_in_a_row_wait_for_the_tick, set_up),
        FACT(a_refused_load_that_nobody_waits_for_ends, set_up),
        FACT(a_refused_load_that_nobody_waits_for_brings_nothing_back, set_up),
        FACT(an_absurdly_long_key_is_turned_away, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
