/*
 * Bytes of somebody else, and the buffer that grows.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/str.h"

static void there_but_empty_is_not_absent(void **state)
{
    (void)state;
    assert_null(str_of(NULL).at);
    assert_non_null(str_of("").at);
    assert_int_equal(str_of("").len, 0);
    assert_true(str_equal(str_of(NULL), str_of("")));
}

static void comparing_looks_at_length_first(void **state)
{
    (void)state;
    assert_true(str_equal(STR("a\0b"), STR("a\0b")));
    assert_false(str_equal(STR("a\0b"), STR("a\0c")));
    assert_false(str_equal(STR("a"), STR("ab")));
    assert_true(str_equal_nocase(STR("Content-Type"), STR("content-tYPE")));
    assert_false(str_equal_nocase(STR("a_"), STR("a-")));
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_true(str_starts_with(STR("abc"), STR("")));
    assert_false(str_starts_with(STR("a"), STR("ab")));
}

static void finding_begins_where_told(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("a.b.c"), '.', 0), 1);
    assert_int_equal(str_find(STR("a.b.c"), '.', 2), 3);
    assert_int_equal(str_find(STR("a.b.c"), '.', 4), SIZE_MAX);
    assert_int_equal(str_find(STR("a"), 'a', 7), SIZE_MAX);
    assert_int_equal(str_find(STR_NONE, 'a', 0), SIZE_MAX);
    assert_true(str_equal(str_part(STR("abcd"), 1, 3), STR("bc")));
}

static void trimming_takes_blanks_and_tabs_only(void **state)
{
    (void)state;
    assert_true(str_equal(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_equal(str_trim(STR("\na ")), STR("\na")));
    assert_int_equal(str_trim(STR(" \t")).len, 0);
    assert_int_equal(str_trim(STR_NONE).len, 0);
}

static void assert_int(const char *text, int64_t expected)
{
    int64_t value = -7;
    assert_true(str_to_int(str_of(text), &value));
    assert_true(value == expected);
}

static void numbers_are_decimal_and_whole(void **state)
{
    static const char *const bad[] = {
        "", "-", "+", " 1", "1 ", "1.0", "0x1", "--1", "9223372036854775808", "-9223372036854775809", "1e3"};
    int64_t value = 7;
    (void)state;
    assert_int("0", 0);
    assert_int("-0", 0);
    assert_int("+12", 12);
    assert_int("007", 7);
    assert_int("9223372036854775807", INT64_MAX);
    assert_int("-9223372036854775808", INT64_MIN);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(str_to_int(str_of(bad[i]), &value));
    assert_int_equal(value, 7);
}

static void utf8_is_that_of_rfc_3629(void **state)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xc2",         "\xc2 ",    "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80", "\xe2\x82", "a\xff"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(str_is_utf8(str_of(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(str_is_utf8(str_of(bad[i])));
    assert_true(str_is_utf8(STR("a\0b")));
}

static void a_buffer_grows_and_stays_a_c_string(void **state)
{
    struct buf buf = {0};
    (void)state;
    assert_int_equal(buf_str(&buf).len, 0);
    assert_non_null(buf_str(&buf).at);
    for (int i = 0; i < 1000; i++) {
        buf_add_byte(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.at[buf.len], '\0');
    }
    assert_int_equal(buf.len, 1000);
    assert_int_equal(buf.at[999], 'a' + 999 % 26);
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    buf_add_text(&buf, "x=");
    buf_printf(&buf, "%d,%s", 5, "y");
    buf_printf(&buf, "%s", "");
    buf_add_str(&buf, STR("\0z"));
    buf_add(&buf, NULL, 0);
    assert_true(str_equal(buf_str(&buf), STR("x=5,y\0z")));
    buf_fini(&buf);
    assert_null(buf.at);
}

static void reserving_makes_room_without_length(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf);
    memcpy(buf_reserve(&buf, 200), "abc", 3);
    assert_true(buf.capacity > 200);
    assert_int_equal(buf.len, 0);
    buf.len += 3;
    char *taken = buf_take(&buf);
    assert_string_equal(taken, "abc");
    assert_null(buf.at);
    free(taken);
    taken = buf_take(&buf);
    assert_string_equal(taken, "");
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_but_empty_is_not_absent),
        cmocka_unit_test(comparing_looks_at_length_first),
        cmocka_unit_test(finding_begins_where_told),
        cmocka_unit_test(trimming_takes_blanks_and_tabs_only),
        cmocka_unit_test(numbers_are_decimal_and_whole),
        cmocka_unit_test(utf8_is_that_of_rfc_3629),
        cmocka_unit_test(a_buffer_grows_and_stays_a_c_string),
        cmocka_unit_test(reserving_makes_room_without_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
