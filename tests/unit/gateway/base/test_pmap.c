/*
 * pmap against an array, and what is shared and what is let go of.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"

enum {
    KEYS = 512,
    STEPS = 20000
};

struct counted {
    int refs;
};

static void ref_counted(void *value)
{
    ((struct counted *)value)->refs++;
}

static void unref_counted(void *value)
{
    ((struct counted *)value)->refs--;
}

static const struct pmap_values counting = {ref_counted, unref_counted};
static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* Few different bytes, so that keys share long beginnings. */
static void make_key(uint32_t number, uint8_t key[16])
{
    memset(key, 0, 16);
    key[0] = (uint8_t)(number & 3);
    key[7] = (uint8_t)(number >> 2 & 3);
    key[15] = (uint8_t)(number >> 4);
}

static void *at(const struct pmap *map, uint32_t number)
{
    uint8_t key[16];
    make_key(number, key);
    return pmap_find(map, key);
}

static struct pmap *with(struct pmap *map, uint32_t number, struct counted *value)
{
    uint8_t key[16];
    make_key(number, key);
    struct pmap *next = pmap_ref(map);
    pmap_set(&next, &counting, key, value);
    return next;
}

static bool count_one(void *arg, const uint8_t key[16], void *value)
{
    size_t *seen = arg;
    assert_ptr_equal(pmap_find(NULL, key), NULL);
    assert_non_null(value);
    (*seen)++;
    return true;
}

static bool stop_at_once(void *arg, const uint8_t key[16], void *value)
{
    (void)key;
    (void)value;
    (*(size_t *)arg)++;
    return false;
}

static void null_is_the_empty_map(void **state)
{
    size_t seen = 0;
    (void)state;
    assert_int_equal(pmap_count(NULL), 0);
    assert_null(at(NULL, 3));
    assert_null(with(NULL, 3, NULL));
    assert_null(pmap_ref(NULL));
    pmap_unref(NULL, &counting);
    pmap_each(NULL, count_one, &seen);
    assert_int_equal(seen, 0);
}

static void a_map_holds_what_was_put_in_last(void **state)
{
    static struct counted values[KEYS];
    struct counted *expected[KEYS] = {NULL};
    struct pmap *map = NULL;
    size_t count = 0;
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        uint32_t number = any(KEYS);
        struct counted *value = any(3) > 0 ? &values[any(KEYS)] : NULL;
        struct pmap *next = with(map, number, value);
        count += value != NULL ? 1 : 0;
        count -= expected[number] != NULL ? 1 : 0;
        expected[number] = value;
        pmap_unref(map, &counting);
        map = next;
        assert_ptr_equal(at(map, number), value);
        assert_int_equal(pmap_count(map), count);
    }
    size_t seen = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        assert_ptr_equal(at(map, i), expected[i]);
    pmap_each(map, count_one, &seen);
    assert_int_equal(seen, count);
    pmap_unref(map, &counting);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(values[i].refs, 0);
}

static void an_older_map_does_not_change(void **state)
{
    static struct counted values[KEYS];
    struct pmap *maps[KEYS + 1] = {NULL};
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        maps[i + 1] = with(maps[i], i, &values[i]);
    for (uint32_t m = 0; m <= KEYS; m += 37) {
        assert_int_equal(pmap_count(maps[m]), m);
        for (uint32_t i = 0; i < KEYS; i++)
            assert_ptr_equal(at(maps[m], i), i < m ? &values[i] : NULL);
    }
    for (uint32_t m = 0; m < KEYS; m++)
        pmap_unref(maps[m], &counting);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(values[i].refs, 1); /* one leaf, however many maps had it */
    pmap_unref(maps[KEYS], &counting);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(values[i].refs, 0);
}

static void taking_out_what_is_not_there_is_the_same_map(void **state)
{
    struct counted value = {0};
    struct pmap *map = with(NULL, 1, &value);
    struct pmap *same = with(map, 2, NULL);
    (void)state;
    assert_ptr_equal(map, same);
    pmap_unref(same, &counting);
    struct pmap *empty = with(map, 1, NULL);
    assert_int_equal(pmap_count(empty), 0);
    pmap_unref(empty, &counting);
    pmap_unref(map, &counting);
    assert_int_equal(value.refs, 0);
}

/* Maps that were copied from each other at any time, each changed on. */
static void what_others_hold_is_never_changed_in_place(void **state)
{
    enum {
        MAPS = 6,
        ROUNDS = 20000
    };
    static struct counted values[KEYS];
    static struct counted *expected[MAPS][KEYS];
    struct pmap *maps[MAPS] = {NULL};
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t to = any(MAPS);
        if (any(16) == 0) {
            uint32_t from = any(MAPS);
            struct pmap *copy = pmap_ref(maps[from]);
            pmap_unref(maps[to], &counting);
            maps[to] = copy;
            memmove(expected[to], expected[from], sizeof(expected[to]));
        }
        uint8_t key[16];
        uint32_t number = any(KEYS);
        struct counted *value = any(2) > 0 ? &values[any(KEYS)] : NULL;
        make_key(number, key);
        pmap_set(&maps[to], &counting, key, value);
        expected[to][number] = value;
        uint32_t looked = any(KEYS);
        for (uint32_t m = 0; m < MAPS; m++)
            assert_ptr_equal(at(maps[m], looked), expected[m][looked]);
    }
    for (uint32_t m = 0; m < MAPS; m++) {
        size_t count = 0;
        for (uint32_t i = 0; i < KEYS; i++) {
            assert_ptr_equal(at(maps[m], i), expected[m][i]);
            count += expected[m][i] != NULL ? 1 : 0;
        }
        assert_int_equal(pmap_count(maps[m]), count);
        pmap_unref(maps[m], &counting);
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(values[i].refs, 0);
}

static void each_stops_when_told(void **state)
{
    struct counted value = {0};
    struct pmap *one = with(NULL, 1, &value);
    struct pmap *two = with(one, 2, &value);
    size_t seen = 0;
    (void)state;
    pmap_each(two, stop_at_once, &seen);
    assert_int_equal(seen, 1);
    pmap_unref(one, &counting);
    pmap_unref(two, &counting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_the_empty_map),
        cmocka_unit_test(a_map_holds_what_was_put_in_last),
        cmocka_unit_test(an_older_map_does_not_change),
        cmocka_unit_test(taking_out_what_is_not_there_is_the_same_map),
        cmocka_unit_test(what_others_hold_is_never_changed_in_place),
        cmocka_unit_test(each_stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
