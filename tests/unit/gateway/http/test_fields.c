/*
 * Values inside header fields: cookies and dates.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/cookie.h"
#include "gateway/http/date.h"

static void a_cookie_is_found_by_its_name(void **state)
{
    static const struct {
        const char *first, *second; /* Cookie lines; NULL: none */
        const char *value;          /* of "c"; NULL: none */
    } cases[] = {{"c=1", NULL, "1"},     {"a=b; c=1", NULL, "1"}, {"a=b;c=1;c=2", NULL, "1"},
                 {"c=1=2", NULL, "1=2"}, {"C=1", NULL, NULL},     {"xc=1; cx=2", NULL, NULL},
                 {"c=", NULL, NULL},     {"c=; c=1", NULL, "1"},  {"a=b", "d=e; c=1", "1"},
                 {"c", NULL, NULL},      {" c=1 ; ", NULL, "1"},  {";;=;c=1", NULL, "1"},
                 {NULL, NULL, NULL},     {"", "c=1", "1"}};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct header lines[2] = {{STR("cookie"), str_of(cases[i].first)},
                                  {STR("Cookie"), str_of(cases[i].second)}};
        size_t count = cases[i].second != NULL ? 2 : cases[i].first != NULL ? 1 : 0;
        const struct headers headers = {.at = lines, .count = count, .capacity = 2};
        struct str value = cookie_find(&headers, STR("c"));
        if ((value.at == NULL) != (cases[i].value == NULL) || !str_equal(value, str_of(cases[i].value)))
            fail_msg("%zu: '%.*s'", i, STR_ARG(value));
    }
}

static void a_date_has_one_of_three_forms(void **state)
{
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const bad[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 36 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 28:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT                                          "};
    int64_t seconds = 0;
    (void)state;

    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(date_parse(str_of(good[i]), &seconds));
        assert_int_equal(seconds, 784111777);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        if (date_parse(str_of(bad[i]), &seconds))
            fail_msg("'%s' is a date", bad[i]);
    assert_false(date_parse(STR_NONE, &seconds));
    assert_false(date_parse(STR("Sun, 06 Nov 1994 08:49:37 GMT\0"), &seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_is_found_by_its_name),
        cmocka_unit_test(a_date_has_one_of_three_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
