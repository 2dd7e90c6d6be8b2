/*
 * Answers that are given again: whole, shared, bounded, and gone once they are purged.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/chain/answer_cache.h"

enum {
    MIB = 1024 * 1024
};

static int64_t now_us;

static int64_t read_now(void *arg)
{
    (void)arg;
    return now_us;
}

static const struct clock fake = {read_now, read_now, NULL};

static int setup(void **state)
{
    now_us = INT64_C(1000000000);
    *state = answer_cache_new(4 * MIB, &fake);
    return 0;
}

static int teardown(void **state)
{
    struct answer_cache_stats stats;
    answer_cache_read_stats(*state, &stats);
    assert_int_equal(stats.gathered_bytes, 0);
    answer_cache_free(*state);
    return 0;
}

static struct answer_key key_of(unsigned number)
{
    struct answer_key key = {{0}};
    uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(key.bytes, &mixed, sizeof(mixed));
    memcpy(key.bytes + 8, &mixed, sizeof(mixed));
    key.bytes[31] = (uint8_t)number;
    return key;
}

static bool store_text(struct answer_cache *cache, unsigned number, const char *text, int64_t storage_s)
{
    const struct header lines[] = {{STR("Content-Type"), STR("text/plain")}, {STR("X-Empty"), STR("")}};
    const struct stored_answer answer = {
        .key = key_of(number), .status = 200, .headers = lines, .header_count = 2, .ttl_s = 5};
    struct answer_draft draft;
    size_t half = strlen(text) / 2;

    return answer_draft_begin(&draft, cache, answer_cache_purges(cache), -1) &&
           answer_draft_add(&draft, (struct str){text, half}) &&
           answer_draft_add(&draft, str_of(text + half)) && answer_draft_store(&draft, &answer, storage_s);
}

static const struct stored_answer *get(struct answer_cache *cache, unsigned number)
{
    const struct answer_key key = key_of(number);
    return answer_cache_get(cache, &key);
}

static bool is_there(struct answer_cache *cache, unsigned number)
{
    const struct stored_answer *answer = get(cache, number);
    stored_answer_unref(answer);
    return answer != NULL;
}

static void what_was_stored_comes_back(void **state)
{
    assert_false(is_there(*state, 1));
    assert_true(store_text(*state, 1, "hello", 10));
    now_us += 3000000;
    const struct stored_answer *answer = get(*state, 1);
    assert_non_null(answer);
    assert_true(str_equal(answer->body, STR("hello")));
    assert_int_equal(answer->status, 200);
    assert_int_equal(answer->header_count, 2);
    assert_true(str_equal(answer->headers[0].name, STR("Content-Type")));
    assert_true(str_equal(answer->headers[0].value, STR("text/plain")));
    assert_int_equal(answer->headers[1].value.len, 0);
    assert_int_equal(answer->stored_us, now_us - 3000000);
    assert_int_equal(answer->stored_unix_s, 1000);
    assert_int_equal(answer->ttl_s, 5);
    stored_answer_unref(answer);
    assert_false(is_there(*state, 2));
}

static void a_body_may_be_empty(void **state)
{
    assert_true(store_text(*state, 1, "", 10));
    const struct stored_answer *answer = get(*state, 1);
    assert_int_equal(answer->body.len, 0);
    stored_answer_unref(answer);
}

/* Half of a key finds the place; the whole of it must be the same. */
static void another_key_with_the_same_beginning_finds_nothing(void **state)
{
    struct answer_key key = key_of(1);
    assert_true(store_text(*state, 1, "hello", 10));
    key.bytes[31] ^= 1;
    assert_null(answer_cache_get(*state, &key));
}

static void a_later_answer_takes_the_place_of_the_one_before(void **state)
{
    assert_true(store_text(*state, 1, "old", 10));
    const struct stored_answer *old = get(*state, 1);
    assert_true(store_text(*state, 1, "new", 10));
    const struct stored_answer *answer = get(*state, 1);
    assert_true(str_equal(answer->body, STR("new")));
    assert_true(str_equal(old->body, STR("old"))); /* whoever has it keeps it */
    stored_answer_unref(old);
    stored_answer_unref(answer);
}

static void storage_ends(void **state)
{
    assert_true(store_text(*state, 1, "a", 10));
    assert_true(store_text(*state, 2, "b", 0));
    now_us += 10000000;
    assert_true(is_there(*state, 1));
    now_us += 1;
    assert_false(is_there(*state, 1));
    now_us += INT64_C(1000000) * 86400 * 365;
    assert_true(is_there(*state, 2));
}

static void a_purge_takes_one_or_all(void **state)
{
    struct answer_key key = key_of(1);
    for (unsigned i = 1; i <= 3; i++)
        assert_true(store_text(*state, i, "x", 10));
    const struct stored_answer *kept = get(*state, 1);
    assert_true(answer_cache_purge(*state, key.bytes));
    assert_false(answer_cache_purge(*state, key.bytes));
    assert_false(is_there(*state, 1));
    assert_true(is_there(*state, 2));
    answer_cache_purge_all(*state);
    assert_false(is_there(*state, 2));
    assert_false(is_there(*state, 3));
    assert_true(str_equal(kept->body, STR("x")));
    stored_answer_unref(kept);
}

/* It may be the very one that was to go. */
static void an_answer_that_was_asked_for_before_a_purge_is_not_stored(void **state)
{
    const struct stored_answer answer = {.key = key_of(1), .status = 200};
    struct answer_key other = key_of(2);
    struct answer_draft draft;
    for (int all = 0; all < 2; all++) {
        uint64_t purges = answer_cache_purges(*state);
        if (all == 1)
            answer_cache_purge_all(*state);
        else
            (void)answer_cache_purge(*state, other.bytes);
        assert_true(answer_draft_begin(&draft, *state, purges, -1));
        assert_true(answer_draft_add(&draft, STR("old")));
        assert_false(answer_draft_store(&draft, &answer, 10));
        assert_false(is_there(*state, 1));
    }
}

static bool store_length(struct answer_cache *cache, unsigned number, size_t length, bool announced)
{
    static char bytes[MIB];
    const struct stored_answer answer = {.key = key_of(number), .status = 200};
    struct answer_draft draft;
    if (!answer_draft_begin(&draft, cache, answer_cache_purges(cache), announced ? (int64_t)length : -1))
        return false;
    for (size_t at = 0; at < length; at += 1000)
        if (!answer_draft_add(&draft, (struct str){bytes, length - at < 1000 ? length - at : 1000})) {
            assert_null(draft.cache);
            return false;
        }
    return answer_draft_store(&draft, &answer, 10);
}

static void long_answers_are_not_stored(void **state)
{
    size_t longest = answer_cache_longest(*state);
    assert_int_equal(longest, 4 * MIB / 64);
    for (int announced = 0; announced < 2; announced++) {
        assert_true(store_length(*state, 1, longest, announced != 0));
        assert_true(is_there(*state, 1));
        assert_false(store_length(*state, 2, longest + 1, announced != 0));
        assert_false(is_there(*state, 2));
    }
}

static void memory_is_bounded(void **state)
{
    struct answer_cache_stats stats;
    for (unsigned i = 0; i < 1000; i++)
        (void)store_length(*state, i, 30000, true);
    answer_cache_read_stats(*state, &stats);
    assert_in_range(stats.bytes, 2 * MIB, 4 * MIB);
    assert_in_range(stats.answers, 60, 140);
    answer_cache_limit(*state, MIB);
    answer_cache_read_stats(*state, &stats);
    assert_in_range(stats.bytes, MIB / 4, MIB);
    answer_cache_limit(*state, 0);
    answer_cache_read_stats(*state, &stats);
    assert_int_equal(stats.bytes, 0);
    assert_false(store_length(*state, 1, 10, true));
    assert_false(store_text(*state, 1, "", 10)); /* a head alone needs room, too */
    answer_cache_limit(*state, 4 * MIB);
    assert_true(store_length(*state, 1, 10, true));
}

static void what_is_asked_for_again_stays(void **state)
{
    assert_true(store_length(*state, 0, 30000, true));
    for (unsigned i = 1; i < 1000; i++) {
        assert_true(is_there(*state, 0));
        (void)store_length(*state, i, 30000, true);
    }
}

static void bodies_on_their_way_are_bounded_together(void **state)
{
    struct answer_draft drafts[64];
    size_t longest = answer_cache_longest(*state);
    size_t begun = 0;
    while (begun < 64 && answer_draft_begin(&drafts[begun], *state, 0, (int64_t)longest))
        begun++;
    assert_int_equal(begun, 4 * MIB / 8 / longest);
    assert_false(store_length(*state, 1, 10, false));
    answer_draft_drop(&drafts[0]);
    assert_true(store_length(*state, 1, 10, false));
    for (size_t i = 1; i < begun; i++)
        answer_draft_drop(&drafts[i]);
}

static void keys_are_text_and_back(void **state)
{
    struct answer_key key = key_of(77), parsed;
    char text[ANSWER_KEY_TEXT];
    (void)state;
    assert_true(answer_key_parse(str_of(answer_key_format(&key, text)), &parsed));
    assert_memory_equal(&key, &parsed, sizeof(key));
    assert_false(answer_key_parse(str_part(str_of(text), 0, 63), &parsed));
    text[5] = 'g';
    assert_false(answer_key_parse(str_of(text), &parsed));
    text[5] = 'A';
    assert_true(answer_key_parse(str_of(text), &parsed));
}

/* ---- all at once ---- */

enum {
    THREADS = 4,
    ROUNDS = 3000,
    KEYS = 20
};

static atomic_bool is_wrong;

/* Every answer has a body that says which one it is. */
static void *work(void *arg)
{
    struct answer_cache *cache = arg;
    char text[64];
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned number = round * 7 % KEYS;
        const struct stored_answer *answer = get(cache, number);
        (void)snprintf(text, sizeof(text), "answer %u", number);
        if (answer != NULL && !str_equal(answer->body, str_of(text)))
            atomic_store(&is_wrong, true);
        if (answer == NULL)
            (void)store_text(cache, number, text, 10);
        if (round % 50 == 49) {
            struct answer_key key = key_of(number);
            (void)answer_cache_purge(cache, key.bytes);
        }
        if (round % 501 == 500)
            answer_cache_purge_all(cache);
        if (round % 100 == 99)
            answer_cache_limit(cache, round % 200 == 99 ? 40000 : 4 * MIB);
        stored_answer_unref(answer);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, *state), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_false(atomic_load(&is_wrong));
}

int main(void)
{
#define CACHE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CACHE(what_was_stored_comes_back),
        CACHE(a_body_may_be_empty),
        CACHE(another_key_with_the_same_beginning_finds_nothing),
        CACHE(a_later_answer_takes_the_place_of_the_one_before),
        CACHE(storage_ends),
        CACHE(a_purge_takes_one_or_all),
        CACHE(an_answer_that_was_asked_for_before_a_purge_is_not_stored),
        CACHE(long_answers_are_not_stored),
        CACHE(memory_is_bounded),
        CACHE(what_is_asked_for_again_stays),
        CACHE(bodies_on_their_way_are_bounded_together),
        CACHE(keys_are_text_and_back),
        CACHE(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
