/*
 * Counters of windows: exactly as many pass as the limit says, from any number of threads; memory is bounded.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/chain/window_counters.h"

static const struct digest_salt salt = {{1}};

static struct digest digest_of(uint64_t number)
{
    struct digest digest;

    digest_make(&salt, (struct str){(const char *)&number, sizeof(number)}, &digest);
    return digest;
}

enum {
    THREADS = 4,
    TRIES = 400000,
    LIMIT = 700000, /* fewer than all tries of a key, more than three threads have */
    KEYS = 2
};

static struct window_counters *shared;
static atomic_uint_fast64_t passed[KEYS];
static pthread_barrier_t all_there;

static void *take_many(void *arg)
{
    (void)arg;
    (void)pthread_barrier_wait(&all_there);
    for (uint64_t i = 0; i < TRIES; i++) {
        uint64_t used;
        struct digest key = digest_of(i % KEYS);
        struct window_counter *counter = window_counters_get(shared, &key, 1000, 0);
        if (window_counter_take(counter, LIMIT, &used))
            atomic_fetch_add_explicit(&passed[i % KEYS], 1, memory_order_relaxed);
        assert_true(used <= LIMIT);
    }
    return NULL;
}

static void never_one_more_than_the_limit_and_never_one_less(void **state)
{
    pthread_t threads[THREADS];
    (void)state;

    shared = window_counters_new(1024);
    assert_int_equal(pthread_barrier_init(&all_there, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(atomic_load(&passed[i]), LIMIT);
    pthread_barrier_destroy(&all_there);
    window_counters_free(shared);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    struct window_counters *counters = window_counters_new(64);
    struct digest key = digest_of(1);
    uint64_t used;
    (void)state;

    struct window_counter *counter = window_counters_get(counters, &key, 1000, 0);
    assert_true(window_counter_take(counter, 1, &used));
    assert_false(window_counter_take(counter, 1, &used));
    assert_int_equal(used, 1);
    window_counter_give_back(counter);
    window_counter_give_back(counter); /* never below zero */
    assert_int_equal(window_counter_read(counter), 0);
    assert_true(window_counter_take(counter, 1, &used));
    window_counters_free(counters);
}

static void ended_windows_make_room_and_living_ones_stay(void **state)
{
    struct window_counters *counters = window_counters_new(64);
    struct digest kept = digest_of(1);
    uint64_t used;
    (void)state;

    assert_true(window_counter_take(window_counters_get(counters, &kept, 1000000, 0), 9, &used));
    for (uint64_t i = 2; i < 1000;
         i++) { /* far more than there are places; each ends before the next comes */
        struct digest key = digest_of(i);
        int64_t now_ms = (int64_t)i * 3000 % 900000;
        assert_int_equal(window_counter_read(window_counters_get(counters, &key, now_ms, now_ms)), 0);
    }
    assert_int_equal(window_counter_read(window_counters_get(counters, &kept, 1000000, 0)), 1);
    window_counters_free(counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_one_more_than_the_limit_and_never_one_less),
        cmocka_unit_test(what_is_given_back_can_be_taken_again),
        cmocka_unit_test(ended_windows_make_room_and_living_ones_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
