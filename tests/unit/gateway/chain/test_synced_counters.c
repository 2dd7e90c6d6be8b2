/*
 * Counters that are told in batches: exact here between two news, whatever is on its way, from any number of
 * threads.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/chain/synced_counters.h"

static const struct digest key = {{1, 2, 3}};

enum {
    FRESH_MS = 100
};

static enum synced_answer take_at(struct synced_counters *counters, uint64_t limit, int64_t now_ms,
                                  uint64_t *used)
{
    return synced_take(counters, &key, limit, now_ms, FRESH_MS, used);
}

/* A window of which there is news: the Redis has `value` at 0. */
static struct synced_counters *known(int64_t value)
{
    struct synced_counters *counters = synced_counters_new(8);

    assert_int_equal(synced_make(counters, &key), SYNCED_MADE);
    synced_learn(counters, &key, value, 0);
    return counters;
}

static uint64_t used_at(struct synced_counters *counters, int64_t now_ms)
{
    uint64_t used = 0;

    assert_int_equal(take_at(counters, 0, now_ms, &used), SYNCED_OVER);
    return used;
}

static void a_window_has_to_be_made_and_heard_of_first(void **state)
{
    struct synced_counters *counters = synced_counters_new(8);
    uint64_t used;
    (void)state;

    assert_int_equal(take_at(counters, 5, 0, &used), SYNCED_ABSENT);
    assert_int_equal(synced_make(counters, &key), SYNCED_MADE);
    assert_int_equal(synced_make(counters, &key), SYNCED_THERE);
    assert_int_equal(take_at(counters, 5, 0, &used), SYNCED_STALE);
    synced_learn(counters, &key, 4, 0);
    assert_int_equal(take_at(counters, 5, 0, &used), SYNCED_TAKEN);
    assert_int_equal(used, 4);
    assert_int_equal(take_at(counters, 5, 0, &used), SYNCED_OVER);
    synced_counters_free(counters);
}

static void news_grow_old(void **state)
{
    struct synced_counters *counters = known(0);
    uint64_t used;
    (void)state;

    assert_int_equal(take_at(counters, 5, FRESH_MS, &used), SYNCED_TAKEN);
    assert_int_equal(take_at(counters, 5, FRESH_MS + 1, &used), SYNCED_STALE);
    synced_learn(counters, &key, 0, FRESH_MS + 1);
    assert_int_equal(take_at(counters, 5, FRESH_MS + 1, &used), SYNCED_TAKEN);
    assert_int_equal(used, 1);
    synced_counters_free(counters);
}

static void what_is_told_counts_once_wherever_it_is(void **state)
{
    struct synced_counters *counters = known(10);
    int64_t amount;
    uint64_t used;
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(take_at(counters, 99, 0, &used), SYNCED_TAKEN);
    assert_true(synced_tell(counters, &key, &amount));
    assert_int_equal(amount, 3);
    assert_int_equal(used_at(counters, 0), 13);                      /* on its way */
    assert_int_equal(take_at(counters, 99, 0, &used), SYNCED_TAKEN); /* one more meanwhile */
    synced_learn(counters, &key, 13, 0); /* somebody reads before the answer comes */
    assert_int_equal(used_at(counters, 0), 14);
    synced_told(counters, &key, amount, /* value= */ 18, 0); /* others have added 5 */
    assert_int_equal(used_at(counters, 0), 19);
    assert_true(synced_tell(counters, &key, &amount));
    assert_int_equal(amount, 1);
    synced_told(counters, &key, amount, 19, 0);
    assert_int_equal(used_at(counters, 0), 19);
    synced_counters_free(counters);
}

static void what_was_lost_is_not_told_again_and_what_was_not_said_is(void **state)
{
    struct synced_counters *counters = known(0);
    int64_t amount;
    (void)state;

    synced_add(counters, &key);
    synced_add(counters, &key);
    assert_true(synced_tell(counters, &key, &amount));
    synced_unsaid(counters, &key, amount);
    assert_int_equal(used_at(counters, 0), 2);
    assert_true(synced_tell(counters, &key, &amount));
    assert_int_equal(amount, 2);
    synced_lost(counters, &key, amount);
    assert_int_equal(used_at(counters, 0), 2); /* but not forgotten here */
    assert_true(synced_tell(counters, &key, &amount));
    assert_int_equal(amount, 0);
    synced_told(counters, &key, amount, /* value= */ 1, 0); /* a Redis that has forgotten frees nobody */
    assert_int_equal(used_at(counters, 0), 2);
    synced_counters_free(counters);
}

static void what_is_given_back_after_it_was_told_is_told_as_less(void **state)
{
    struct synced_counters *counters = known(0);
    int64_t amount;
    uint64_t used;
    (void)state;

    assert_int_equal(take_at(counters, 1, 0, &used), SYNCED_TAKEN);
    assert_true(synced_tell(counters, &key, &amount));
    synced_give_back(counters, &key);
    synced_told(counters, &key, amount, 1, 0);
    assert_int_equal(used_at(counters, 0), 0);
    assert_true(synced_tell(counters, &key, &amount));
    assert_int_equal(amount, -1);
    synced_told(counters, &key, amount, 0, 0);
    assert_int_equal(used_at(counters, 0), 0);
    synced_counters_free(counters);
}

static void a_window_that_nobody_needs_is_not_told_of(void **state)
{
    struct synced_counters *counters = known(0);
    int64_t amount;
    (void)state;

    assert_true(synced_tell(counters, &key, &amount)); /* it was made */
    assert_int_equal(amount, 0);
    assert_false(synced_tell(counters, &key, &amount));
    (void)used_at(counters, 0);
    assert_true(synced_tell(counters, &key, &amount));
    synced_counters_free(counters);
}

static void there_are_no_more_than_were_allowed(void **state)
{
    struct synced_counters *counters = synced_counters_new(2);
    struct digest keys[3] = {{{1}}, {{2}}, {{3}}};
    (void)state;

    assert_int_equal(synced_make(counters, &keys[0]), SYNCED_MADE);
    assert_int_equal(synced_make(counters, &keys[1]), SYNCED_MADE);
    assert_int_equal(synced_make(counters, &keys[2]), SYNCED_FULL);
    synced_remove(counters, &keys[0]);
    assert_int_equal(synced_make(counters, &keys[2]), SYNCED_MADE);
    synced_counters_free(counters);
}

/* ---- many threads ---- */

enum {
    TAKERS = 3,
    TRIES = 200000,
    LIMIT = 300000
};

static struct synced_counters *shared;
static atomic_int_fast64_t passed, redis;
static atomic_int working;

static void *take_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < TRIES; i++) {
        uint64_t used;
        if (take_at(shared, LIMIT, 0, &used) != SYNCED_TAKEN)
            continue;
        if (i % 7 == 0)
            synced_give_back(shared, &key);
        else
            atomic_fetch_add(&passed, 1);
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void tell_once(void)
{
    int64_t amount;

    if (synced_tell(shared, &key, &amount))
        synced_told(shared, &key, amount, atomic_fetch_add(&redis, amount) + amount, 0);
}

static void takers_and_a_teller_lose_nothing_and_let_nobody_through_too_much(void **state)
{
    pthread_t threads[TAKERS];
    (void)state;

    shared = known(0);
    atomic_store(&working, TAKERS);
    for (size_t i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    while (atomic_load(&working) > 0)
        tell_once();
    for (size_t i = 0; i < TAKERS; i++)
        pthread_join(threads[i], NULL);
    tell_once();
    assert_true(atomic_load(&passed) <= LIMIT);
    assert_int_equal(atomic_load(&redis), atomic_load(&passed));
    assert_int_equal(used_at(shared, 0), atomic_load(&passed));
    synced_counters_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_has_to_be_made_and_heard_of_first),
        cmocka_unit_test(news_grow_old),
        cmocka_unit_test(what_is_told_counts_once_wherever_it_is),
        cmocka_unit_test(what_was_lost_is_not_told_again_and_what_was_not_said_is),
        cmocka_unit_test(what_is_given_back_after_it_was_told_is_told_as_less),
        cmocka_unit_test(a_window_that_nobody_needs_is_not_told_of),
        cmocka_unit_test(there_are_no_more_than_were_allowed),
        cmocka_unit_test(takers_and_a_teller_lose_nothing_and_let_nobody_through_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
