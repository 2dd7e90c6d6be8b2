/*
 * What nodes say to each other about stored answers: which words make a node forget what.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/chain/answer_cache.h"
#include "gateway/chain/chain.h"
#include "gateway/plugins/proxy_cache_admin.h"

static const struct answer_key keys[2] = {{{0x12, 0xab, [31] = 1}}, {{0x34, 0xcd, [31] = 2}}};

static void store_both(struct answer_cache *answers)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        const struct stored_answer answer = {.key = keys[i], .status = 200};
        struct answer_draft draft;
        assert_true(answer_draft_begin(&draft, answers, answer_cache_purges(answers), 0));
        assert_true(answer_draft_store(&draft, &answer, 0));
    }
}

static uint64_t count(struct answer_cache *answers)
{
    struct answer_cache_stats stats;
    answer_cache_read_stats(answers, &stats);
    return stats.answers;
}

/* What the endpoint of this form says of a key. */
static bool say(const char *form, const char *key, char word[PLUGIN_WORD_SIZE])
{
    const struct str segments[] = {str_of(key), str_of(key)};
    for (const struct plugin_endpoint *endpoint = proxy_cache_endpoints; endpoint->method != NULL; endpoint++)
        if (strcmp(endpoint->form, form) == 0 && endpoint->say != NULL)
            return endpoint->say(segments, word);
    return false;
}

static void what_is_said_is_heard(void **state)
{
    static const char *const forms[] = {"/proxy-cache/{cache_key}",
                                        "/proxy-cache/{plugin_id}/caches/{cache_key}"};
    const struct chain_world world = {.answers = answer_cache_new(1 << 20, clock_system())};
    char text[ANSWER_KEY_TEXT], word[PLUGIN_WORD_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        store_both(world.answers);
        assert_true(say(forms[i], answer_key_format(&keys[1], text), word));
        proxy_cache_hear(&world, str_of(word));
        assert_int_equal(count(world.answers), 1);
        const struct stored_answer *other = answer_cache_get(world.answers, &keys[0]);
        assert_non_null(other);
        stored_answer_unref(other);
        assert_false(say(forms[i], "12", word));
        assert_false(say(forms[i], "", word));
    }
    store_both(world.answers);
    assert_true(say("/proxy-cache", "", word));
    proxy_cache_hear(&world, str_of(word));
    assert_int_equal(count(world.answers), 0);
    answer_cache_free(world.answers);
}

static void words_that_may_have_been_missed_count_as_all(void **state)
{
    const struct chain_world world = {.answers = answer_cache_new(1 << 20, clock_system())};
    (void)state;
    store_both(world.answers);
    proxy_cache_hear(&world, STR_NONE);
    assert_int_equal(count(world.answers), 0);
    answer_cache_free(world.answers);
}

static void other_words_mean_nothing(void **state)
{
    static const char *const words[] = {"",
                                        "proxy-cache:",
                                        "proxy-cache:**",
                                        "proxy-cache",
                                        "proxy-cach:*",
                                        "xproxy-cache:*",
                                        "proxy-cache:12ab000000000000000000000000000",
                                        "proxy-cache:12ab0000000000000000000000000000 ",
                                        "proxy-cache:12ab000000000000000000000000000g",
                                        "health:up:AAAAAAAAAAAAAAAAAAAAAA"};
    const struct chain_world world = {.answers = answer_cache_new(1 << 20, clock_system())};
    const struct chain_world nothing = {0};
    (void)state;
    store_both(world.answers);
    for (size_t i = 0; i < COUNT(words); i++) {
        proxy_cache_hear(&world, str_of(words[i]));
        proxy_cache_hear(&nothing, str_of(words[i]));
    }
    assert_int_equal(count(world.answers), 2);
    assert_int_equal(answer_cache_purges(world.answers), 0);
    answer_cache_free(world.answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_heard),
        cmocka_unit_test(words_that_may_have_been_missed_count_as_all),
        cmocka_unit_test(other_words_mean_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
