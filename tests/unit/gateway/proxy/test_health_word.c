/*
 * health_word: what is said is what is heard, and nothing else is heard.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/proxy/health_word.h"

static void a_word_comes_back_as_it_was(void **state)
{
    struct random_sequence random;
    char text[HEALTH_WORD_SIZE];
    struct health_word back;

    (void)state;
    random_seed(&random, 3);
    for (int i = 0; i < 1000; i++) {
        struct health_word word;
        memset(&word, 0, sizeof(word));
        for (size_t k = 0; k < sizeof(word.target); k++)
            word.target.bytes[k] = (uint8_t)random_next(&random);
        word.healthy = i % 2 == 0;
        word.has_address = i % 3 == 0;
        for (size_t k = 0; word.has_address && k < sizeof(word.address); k++)
            ((uint8_t *)&word.address)[k] = (uint8_t)random_next(&random);
        health_word_format(&word, text);
        assert_in_range(strlen(text), 1, HEALTH_WORD_SIZE - 1);
        assert_true(health_word_parse(str_of(text), &back));
        assert_int_equal(back.healthy, word.healthy);
        assert_int_equal(back.has_address, word.has_address);
        assert_memory_equal(&back.target, &word.target, sizeof(word.target));
        assert_memory_equal(&back.address, &word.address, sizeof(word.address));
    }
}

static void a_known_word_is_written_as_ever(void **state)
{
    const struct health_word word = {.target = {{1, 2, 3}}, .healthy = true};
    char text[HEALTH_WORD_SIZE];

    (void)state;
    health_word_format(&word, text); /* nodes of different versions understand each other */
    assert_string_equal(text, "health:up:AQIDAAAAAAAAAAAAAAAAAA");
}

static void other_words_mean_nothing(void **state)
{
    static const char *const others[] = {
        "",
        "log_level:debug:1000",
        "health:",
        "health:up:",
        "health:up",
        "health:UP:AQIDAAAAAAAAAAAAAAAAAA",
        "health:up:AQIDAAAAAAAAAAAAAAAAA",   /* short */
        "health:up:AQIDAAAAAAAAAAAAAAAAAAA", /* long */
        "health:up:AQIDAAAAAAAAAAAAAAAAAB",  /* bits left over */
        "health:up:AQIDAAAAAAAAAAAAAAAA==",
        "health:up:AQIDAAAAAAAAAAAAAAAA+/",
        "health:down:AQIDAAAAAAAAAAAAAAAAAA ",
        "health:down:AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
    };
    struct health_word word;

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(health_word_parse(str_of(others[i]), &word));
    assert_false(health_word_parse((struct str){"health:up:AQIDAAAAAAAAAAAAAAAA\0A", 32}, &word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_comes_back_as_it_was),
        cmocka_unit_test(a_known_word_is_written_as_ever),
        cmocka_unit_test(other_words_mean_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
