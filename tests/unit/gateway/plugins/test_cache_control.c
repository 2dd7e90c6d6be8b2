/*
 * What Cache-Control lines say (RFC 9111, 5.2), and which types of bodies fit a setting.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/plugins/cache_control.h"
#include "gateway/plugins/media_type.h"

static struct cache_control read_lines(const char *first, const char *second)
{
    struct header lines[] = {{STR("X-Other"), STR("no-store")},
                             {STR("cache-control"), str_of(first)},
                             {STR("Cache-Control"), str_of(second)}};
    const struct headers headers = {.at = lines, .count = second != NULL ? 3 : 2, .capacity = 3};
    return cache_control_read(&headers);
}

static void flags_are_read(void **state)
{
    (void)state;
    struct cache_control control = read_lines("No-Store , NO-CACHE=\"Set-Cookie, X\",private", NULL);
    assert_true(control.no_store && control.no_cache && control.is_private);
    assert_false(control.only_if_cached);
    assert_int_equal(control.max_age_s, -1);
    control = read_lines("only-if-cached", "no-store");
    assert_true(control.only_if_cached && control.no_store);
    control = read_lines("no-storex, xno-store, ext=\"no-store, no-cache\", \"private\"", NULL);
    assert_false(control.no_store || control.no_cache || control.is_private);
    control = read_lines("ext=\"a\\\", no-store\", no-cache", NULL);
    assert_false(control.no_store);
    assert_true(control.no_cache);
}

static void seconds_are_read(void **state)
{
    static const struct {
        const char *line;
        int64_t max_age, shared, max_stale, min_fresh;
    } cases[] = {
        {"max-age=5", 5, -1, -1, -1},
        {"max-age=\"5\"", 5, -1, -1, -1},
        {"MAX-AGE = 5", 5, -1, -1, -1},
        {"max-age=5,max-age=3,max-age=4", 3, -1, -1, -1},
        {"s-maxage=10, max-age=20", 20, 10, -1, -1},
        {"max-stale", -1, -1, CACHE_CONTROL_LONGEST_S, -1},
        {"max-stale=7", -1, -1, 7, -1},
        {"max-stale=", -1, -1, 0, -1},
        {"min-fresh=7,min-fresh=9", -1, -1, -1, 9},
        {"max-age=99999999999999999999999", CACHE_CONTROL_LONGEST_S, -1, -1, -1},
        /* what cannot be read does not make anything fresh */
        {"max-age", 0, -1, -1, -1},
        {"max-age=-5", 0, -1, -1, -1},
        {"max-age=5x", 0, -1, -1, -1},
        {"max-age=5 5", 0, -1, -1, -1},
        {"max-age=1.5", 0, -1, -1, -1},
        {"s-maxage=x", -1, 0, -1, -1},
        {"min-fresh=x", -1, -1, -1, CACHE_CONTROL_LONGEST_S},
        {"max-stale=x", -1, -1, 0, -1},
        {"", -1, -1, -1, -1},
        {",,=5,=", -1, -1, -1, -1},
        {"max-age=\"5", 0, -1, -1, -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cache_control control = read_lines(cases[i].line, NULL);
        if (control.max_age_s != cases[i].max_age || control.shared_max_age_s != cases[i].shared ||
            control.max_stale_s != cases[i].max_stale || control.min_fresh_s != cases[i].min_fresh)
            fail_msg("%s", cases[i].line);
    }
    assert_int_equal(read_lines("max-age=5", "max-age=3").max_age_s, 3);
}

static void types_fit_with_the_same_parameters(void **state)
{
    static const struct {
        const char *type, *wanted;
        bool fits;
    } cases[] = {
        {"application/json", "application/json", true},
        {"Application/JSON", "application/json", true},
        {"application/json; charset=utf-8", "application/json", false},
        {"application/json", "application/json; charset=utf-8", false},
        {"application/json;charset=\"UTF-8\"", "application/json; charset=utf-8", true},
        {"a/b; x=1; y=2", "a/b;y=2;x=1", true},
        {"a/b; x=1; y=2", "a/b; x=1", false},
        {"a/b; x=1;", "a/b; x=1", true},
        {"a/b; x=\"1;2\"", "a/b; x=\"1;2\"", true},
        {"a/b; x=2", "a/b; x=1", false},
        {"text/html", "text/*", true},
        {"text/html", "*/*", true},
        {"text/html", "*", true},
        {"text/html", "*/html", true},
        {"text/html; charset=x", "*/*", false},
        {"text/html; charset=x", "*/*; charset=x", true},
        {"text/html", "image/*", false},
        {"text/*", "text/html", false},
        {"text", "text/plain", false},
        {"", "*/*", false},
        {";", "*/*", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (media_type_fits(str_of(cases[i].type), str_of(cases[i].wanted)) != cases[i].fits)
            fail_msg("%s, %s", cases[i].type, cases[i].wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_read),
        cmocka_unit_test(seconds_are_read),
        cmocka_unit_test(types_fit_with_the_same_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
