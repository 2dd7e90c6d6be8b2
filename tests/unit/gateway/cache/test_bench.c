/*
 * Figures, not a verdict: nanoseconds per hit and bytes per entry are printed. What is asserted is only what
 * must hold on any machine.
 */

#include <malloc.h>
#include <time.h>

#include "tests/unit/gateway/cache/rig.h"

enum {
    ENTRIES = 10000,
    HITS = 2000000
};

static int64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void ten_thousand_entries_take_a_few_megabytes(void **state)
{
    (void)state;
    struct rig *rig = rig_open_with(NULL);
    size_t empty = heap_bytes();
    for (int key = 0; key < ENTRIES; key++) {
        rig->load_count = rig->answered = 0;
        rig_put(rig, key, 5, key + 1);
    }
    /* The objects themselves are the loader's: their blocks of malloc are 32 bytes here. */
    double each = (double)(heap_bytes() - empty) / ENTRIES - 32;
    if (heap_bytes() > empty)
        print_message("%d entries: %.0f bytes each beside the object, as counted %.0f\n", ENTRIES, each,
                      (double)rig_stats(rig).bytes / ENTRIES - sizeof(struct rig_object));
    assert_int_equal(rig_stats(rig).entries, ENTRIES);
    assert_true(rig_stats(rig).bytes < 3000000);
    rig_close(rig);
}

static void measure_hits(const char *name, void (*change)(struct cache_options *options))
{
    static struct digest digests[ENTRIES];
    struct rig *rig = rig_open_with(change);
    uint64_t random = 1;
    int found = 0;
    for (int key = 0; key < ENTRIES; key++) {
        rig->load_count = rig->answered = 0;
        rig_put(rig, key, 5, key + 1);
        digests[key] = rig_digest(key);
    }
    struct cache_ask ask = {.key = STR("consumers:1"), .value = STR("1")};
    int64_t began_ns = cpu_ns();
    for (int i = 0; i < HITS; i++) {
        const struct cache_value *value;
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        ask.digest = digests[(random >> 33) % ENTRIES];
        found += cache_get(rig->cache, &ask, &value) == CACHE_HIT;
        cache_value_unref(value);
    }
    print_message("%s: %.0f ns per hit\n", name, (double)(cpu_ns() - began_ns) / HITS);
    assert_int_equal(found, HITS);
    rig_close(rig);
}

static void with_ttl(struct cache_options *options)
{
    options->ttl_ms = 3600000;
}

static void a_hit_takes_no_load(void **state)
{
    (void)state;
    measure_hits("until invalidated", NULL);
    measure_hits("with a time to live", with_ttl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_entries_take_a_few_megabytes),
        cmocka_unit_test(a_hit_takes_no_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
