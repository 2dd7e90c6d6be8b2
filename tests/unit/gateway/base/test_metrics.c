/*
 * Counters per thread, summed when asked.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/metrics.h"

enum {
    THREADS = 4,
    ADDS = 10000
};

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ADDS; i++)
        metrics_add(METRIC_CACHE_HITS, 1);
    metrics_add(METRIC_CONNECTIONS_ACTIVE, 1);
    return NULL;
}

static void threads_are_summed_also_those_that_ended(void **state)
{
    pthread_t threads[THREADS];
    int64_t before = metrics_read(METRIC_CACHE_HITS);
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_true(metrics_read(METRIC_CACHE_HITS) >= before);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metrics_read(METRIC_CACHE_HITS), before + THREADS * ADDS);
    assert_int_equal(metrics_read(METRIC_CONNECTIONS_ACTIVE), THREADS);
    assert_int_equal(metrics_read(METRIC_CACHE_EVICTIONS), 0);
}

static void a_gauge_goes_down_on_any_thread(void **state)
{
    int64_t before = metrics_read(METRIC_CONNECTIONS_ACTIVE);
    (void)state;
    metrics_add(METRIC_CONNECTIONS_ACTIVE, -1);
    assert_int_equal(metrics_read(METRIC_CONNECTIONS_ACTIVE), before - 1);
}

/* Rows of one name stand together, differ in labels, and the first has the help. */
static void check_against_those_before(int i)
{
    const struct metric_info *info = metrics_info((enum metric)i);
    bool goes_on = i > 0 && strcmp(info->name, metrics_info((enum metric)(i - 1))->name) == 0;

    assert_int_equal(strlen(info->help) == 0, goes_on);
    for (int k = 0; k < i; k++) {
        const struct metric_info *other = metrics_info((enum metric)k);
        if (!goes_on)
            assert_string_not_equal(info->name, other->name);
        else if (strcmp(info->name, other->name) == 0)
            assert_string_not_equal(info->labels, other->labels);
    }
}

static void every_metric_is_described_and_named_once(void **state)
{
    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_info *info = metrics_info((enum metric)i);
        bool is_counter = strcmp(info->kind, "counter") == 0;
        assert_true(is_counter || strcmp(info->kind, "gauge") == 0);
        assert_true(strncmp(info->name, "freshet_", 8) == 0 || strncmp(info->name, "kong_", 5) == 0);
        /* counters end in _total, gauges do not (Prometheus, "Metric and label naming") */
        assert_int_equal(is_counter, strcmp(info->name + strlen(info->name) - 6, "_total") == 0);
        check_against_those_before(i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_summed_also_those_that_ended),
        cmocka_unit_test(a_gauge_goes_down_on_any_thread),
        cmocka_unit_test(every_metric_is_described_and_named_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
