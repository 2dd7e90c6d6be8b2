/*
 * Memory: nothing is NULL but a copy of NULL.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

static void nothing_is_still_something(void **state)
{
    (void)state;
    free(mem_alloc(0));
    free(mem_zalloc(0));
    free(mem_realloc(NULL, 0));
    free(mem_dup(NULL, 0));
}

static void zeroed_is_zero(void **state)
{
    static const char zeroes[100];
    (void)state;
    char *made = mem_zalloc(sizeof(zeroes));
    assert_memory_equal(made, zeroes, sizeof(zeroes));
    free(made);
}

static void copies_are_equal_and_apart(void **state)
{
    char text[] = "abc";
    (void)state;
    char *copy = mem_strdup(text);
    char *part = mem_strndup(text, 2);
    char *bytes = mem_dup(text, 4);
    text[0] = 'x';
    assert_string_equal(copy, "abc");
    assert_string_equal(part, "ab");
    assert_memory_equal(bytes, "abc", 4);
    assert_null(mem_strdup(NULL));
    free(copy);
    free(part);
    free(bytes);
}

static void printing_makes_its_own_room(void **state)
{
    char wide[3000];
    (void)state;
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    char *text = mem_printf("%s:%d", wide, 7);
    assert_int_equal(strlen(text), sizeof(wide) - 1 + 2);
    assert_string_equal(text + sizeof(wide) - 1, ":7");
    free(text);
    text = mem_printf("%s", "");
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_still_something),
        cmocka_unit_test(zeroed_is_zero),
        cmocka_unit_test(copies_are_equal_and_apart),
        cmocka_unit_test(printing_makes_its_own_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
