/*
 * Series of several threads, and what a reader makes of them.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/metrics.h"
#include "gateway/base/series.h"
#include "gateway/base/series_catalogue.h"

enum {
    THREADS = 4,
    ADDS = 20000,
    NAMES = 100
};

static const int64_t limits[] = {1000, 2500, 10000};
static const struct exposition_buckets buckets = {limits, COUNT(limits), 1000};

static const struct series_family histogram_families[] = {
    {.name = "t_ms", .help = "time", .buckets = &buckets},
};
static const struct series_kind histogram = {
    .labels = {"who"},
    .label_count = 1,
    .slot_count = COUNT(limits) + 2,
    .families = histogram_families,
    .family_count = 1,
};

static const struct series_family way_families[] = {
    {.name = "t_bytes", .help = "bytes", .label = "way=\"in\"", .slot = 0},
    {.name = "t_bytes", .help = "bytes", .label = "way=\"out\"", .slot = 1},
};
static const struct series_kind ways = {
    .labels = {"who", "what"},
    .label_count = 2,
    .slot_count = 2,
    .families = way_families,
    .family_count = COUNT(way_families),
};

static const struct series_family count_families[] = {{.name = "t_total", .help = "things"}};
static const struct series_kind counts = {
    .labels = {"who"},
    .label_count = 1,
    .slot_count = 1,
    .families = count_families,
    .family_count = 1,
};

static void on_thread(void *(*run)(void *arg))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* All there is, in pieces of `bytes`. */
static char *written(struct series_catalogue *catalogue, size_t bytes)
{
    struct series_cursor cursor = {0};
    struct buf out = {0};
    size_t before;

    while (!series_catalogue_learn(catalogue, /* most= */ 3))
        continue;
    do
        before = out.len;
    while (series_catalogue_write(catalogue, &cursor, &out, bytes) && out.len > before);
    return buf_take(&out);
}

static void *observe(void *arg)
{
    static const int64_t values[] = {0, 1000, 1001, 2500, 10000, 10001};

    for (size_t i = 0; i < COUNT(values); i++)
        series_observe(series_find(&histogram, &STR("ann")), histogram_families, values[i]);
    return arg;
}

static void histograms_of_threads_are_added_up(void **state)
{
    struct series_catalogue *catalogue = series_catalogue_new();

    (void)state;
    on_thread(observe);
    on_thread(observe);
    char *text = written(catalogue, 1 << 20);
    assert_non_null(strstr(text, "# HELP t_ms time\n# TYPE t_ms histogram\n"
                                 "t_ms_bucket{who=\"ann\",le=\"1\"} 4\n"
                                 "t_ms_bucket{who=\"ann\",le=\"2.5\"} 8\n"
                                 "t_ms_bucket{who=\"ann\",le=\"10\"} 10\n"
                                 "t_ms_bucket{who=\"ann\",le=\"+Inf\"} 12\n"
                                 "t_ms_sum{who=\"ann\"} 49.004\n"
                                 "t_ms_count{who=\"ann\"} 12\n"));
    free(text);
    series_catalogue_free(catalogue);
}

static void *send(void *arg)
{
    const struct str labels[] = {STR("a"), STR("b")};
    struct series *series = series_find(&ways, labels);

    series_add(series, 0, 3);
    series_add(series, 1, 4);
    return arg;
}

static void families_of_one_name_have_one_head(void **state)
{
    struct series_catalogue *catalogue = series_catalogue_new();

    (void)state;
    on_thread(send);
    char *text = written(catalogue, /* bytes= */ 1); /* also when each line is a piece of its own */
    assert_non_null(strstr(text, "# HELP t_bytes bytes\n# TYPE t_bytes counter\n"
                                 "t_bytes{way=\"in\",who=\"a\",what=\"b\"} 3\n"
                                 "t_bytes{way=\"out\",who=\"a\",what=\"b\"} 4\n"));
    free(text);
    series_catalogue_free(catalogue);
}

static struct str name_of(int i, char text[32])
{
    return (struct str){text, (size_t)snprintf(text, 32, "%d a name of some length", i)};
}

static void *count_many(void *arg)
{
    char text[32];

    for (int i = 0; i < ADDS; i++) {
        struct str name = name_of(i % NAMES, text);
        series_add(series_find(&counts, &name), 0, 1);
    }
    return arg;
}

/* Also under TSan: a reader at work while threads make series. */
static void nothing_is_lost_while_somebody_reads(void **state)
{
    struct series_catalogue *catalogue = series_catalogue_new();
    pthread_t threads[THREADS];
    char text[32], line[80];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
    for (int i = 0; i < 20; i++)
        free(written(catalogue, 4096));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    char *all = written(catalogue, 4096);
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(line, sizeof(line), "t_total{who=\"%s\"} %d\n", name_of(i, text).at,
                       THREADS * ADDS / NAMES);
        const char *found = strstr(all, line);
        assert_non_null(found);
        assert_null(strstr(found + 1, line)); /* once, though four threads have it */
    }
    free(all);
    series_catalogue_free(catalogue);
}

static void *fill_up(void *arg)
{
    static char long_name[4096];
    int64_t refused = metrics_read(METRIC_SERIES_REFUSED);
    int made = 0;

    memset(long_name, 'x', sizeof(long_name));
    struct str name = {long_name, sizeof(long_name)};
    struct series *first = series_find(&counts, &name);
    for (; made < 1000000; made++) {
        (void)snprintf(long_name, sizeof(long_name), "%d", made);
        if (series_find(&counts, &name) == NULL)
            break;
    }
    assert_in_range((size_t)made * sizeof(long_name), SERIES_BYTES_MAX / 2, SERIES_BYTES_MAX);
    assert_int_equal(metrics_read(METRIC_SERIES_REFUSED), refused + 1);
    memset(long_name, 'x', sizeof(long_name));
    assert_ptr_equal(series_find(&counts, &name), first); /* what is known goes on counting */
    return arg;
}

static void memory_of_a_thread_is_bounded(void **state)
{
    (void)state;
    on_thread(fill_up);
}

static void *find_similar(void *arg)
{
    const struct str one[] = {STR("ab"), STR("c")}, other[] = {STR("a"), STR("bc")},
                     none[] = {STR(""), STR("abc")};

    assert_ptr_not_equal(series_find(&ways, one), series_find(&ways, other));
    assert_ptr_not_equal(series_find(&ways, one), series_find(&ways, none));
    assert_ptr_not_equal(series_find(&histogram, one), series_find(&counts, one)); /* kinds do not mix */
    assert_ptr_equal(series_find(&ways, one), series_find(&ways, one));
    return arg;
}

static void labels_are_compared_one_by_one(void **state)
{
    (void)state;
    on_thread(find_similar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histograms_of_threads_are_added_up),
        cmocka_unit_test(families_of_one_name_have_one_head),
        cmocka_unit_test(nothing_is_lost_while_somebody_reads),
        cmocka_unit_test(memory_of_a_thread_is_bounded),
        cmocka_unit_test(labels_are_compared_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
