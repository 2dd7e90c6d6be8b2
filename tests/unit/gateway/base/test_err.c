/*
 * Errors: both the code and the text, always false, never longer than there is room.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/err.h"

static void setting_says_code_and_text(void **state)
{
    struct err err;
    (void)state;
    assert_false(err_set(&err, ERR_INVALID, "port %d is too large", 70000));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "port 70000 is too large");
}

static void wrapping_puts_what_was_attempted_in_front(void **state)
{
    struct err err;
    (void)state;
    (void)err_set(&err, ERR_TIMEOUT, "no answer");
    assert_false(err_wrap(&err, "connect to %s", "db"));
    assert_false(err_wrap(&err, "migrate"));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_string_equal(err.text, "migrate: connect to db: no answer");
}

static void what_does_not_fit_is_cut(void **state)
{
    struct err err;
    char wide[400];
    (void)state;
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    (void)err_set(&err, ERR_IO, "%s", wide);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    (void)err_wrap(&err, "a");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "a: xx", 5);
    (void)err_wrap(&err, "%s", wide);
    assert_true(strlen(err.text) < sizeof(err.text));
}

static void nobody_has_to_want_to_know(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_false(err_wrap(NULL, "x"));
}

static void every_code_has_a_text(void **state)
{
    (void)state;
    for (int code = ERR_NONE; code <= ERR_INTERNAL; code++)
        assert_true(strlen(err_code_text((enum err_code)code)) > 0);
    assert_string_equal(err_code_text(ERR_NOT_FOUND), "not found");
    assert_string_equal(err_code_text((enum err_code)1000), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_says_code_and_text),
        cmocka_unit_test(wrapping_puts_what_was_attempted_in_front),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(nobody_has_to_want_to_know),
        cmocka_unit_test(every_code_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
