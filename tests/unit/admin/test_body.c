/*
 * Which bodies are read and how strictly.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/body.h"
#include "admin/json_body.h"

static enum body_verdict parse(const char *type, const char *bytes)
{
    struct body body;
    enum body_verdict verdict = body_parse(str_of(type), str_of(bytes), &body);

    assert_true((verdict == BODY_OK) == (body.object != NULL));
    body_fini(&body);
    return verdict;
}

static void is_json(const char *text, const char *expected)
{
    cJSON *object = json_body_parse(str_of(text));

    assert_non_null(object);
    char *printed = cJSON_PrintUnformatted(object);
    assert_string_equal(printed, expected);
    free(printed);
    cJSON_Delete(object);
}

static void the_content_type_decides(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL, NULL), BODY_OK);
    assert_int_equal(parse(NULL, "{}"), BODY_UNSUPPORTED);
    assert_int_equal(parse("invalid", "{}"), BODY_UNSUPPORTED);
    assert_int_equal(parse("Application/JSON", "{}"), BODY_UNSUPPORTED);
    assert_int_equal(parse("application/json", "{}"), BODY_OK);
    assert_int_equal(parse("application/json; charset=utf-8", "{}"), BODY_OK);
    assert_int_equal(parse("application/json", NULL), BODY_BAD_JSON);
    assert_int_equal(parse("application/x-www-form-urlencoded", NULL), BODY_OK);
    assert_int_equal(parse("application/x-www-form-urlencoded", "a=%00"), BODY_BAD_FORM);
    assert_int_equal(parse("multipart/form-data", NULL), BODY_OK);
}

static void only_objects_are_bodies(void **state)
{
    static const char *const bad[] = {"",  " ",   "1",     "null",     "\"a\"", "[1]",
                                      "{", "{}x", "{} {}", "{\"a\":}", "[{}]"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(json_body_parse(str_of(bad[i])));
    is_json("[]", "{}");
    is_json(" {\"a\" : [1, null]} \r\n", "{\"a\":[1,null]}");
}

static void texts_are_utf8_without_nul(void **state)
{
    (void)state;
    assert_null(json_body_parse(STR("{\"a\":\"\xff\"}")));
    assert_null(json_body_parse(STR("{\"a\":\"b\0c\"}")));
    assert_null(json_body_parse(STR("{\"a\":\"b\\u0000c\"}")));
    is_json("{\"a\":\"b\\\\u0000c\"}", "{\"a\":\"b\\\\u0000c\"}");
    is_json("{\"a\":\"caf\xc3\xa9/\"}", "{\"a\":\"caf\xc3\xa9/\"}");
}

static void the_last_of_two_members_counts(void **state)
{
    (void)state;
    is_json("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}");
    is_json("{\"c\":{\"a\":1,\"a\":2,\"a\":{\"x\":1,\"x\":2}}}", "{\"c\":{\"a\":{\"x\":2}}}");
}

static void depth_is_bounded(void **state)
{
    char text[100000];

    (void)state;
    memset(text, '[', sizeof(text));
    memcpy(text, "{\"a\":", 5);
    assert_null(json_body_parse((struct str){text, sizeof(text)}));
}

static void values_are_counted_before_they_cost(void **state)
{
    enum {
        SIZE = 2 * JSON_BODY_MAX_VALUES + 100
    };
    char *text = malloc(SIZE);
    size_t length;

    (void)state;
    assert_non_null(text);
    length = (size_t)snprintf(text, SIZE, "{\"a,[{\\\",\":[1");
    for (int i = 0; i < JSON_BODY_MAX_VALUES - 2; i++, length += 2)
        memcpy(text + length, ",1", 2);
    memcpy(text + length, "]}", 3);
    assert_int_equal(parse("application/json", text), BODY_OK);
    memcpy(text + length, ",1]}", 5);
    assert_int_equal(parse("application/json", text), BODY_TOO_MANY);
    memset(text, ',', SIZE);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + SIZE - 3, "\"}", 3);
    assert_int_equal(parse("application/json", text), BODY_OK);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_content_type_decides),   cmocka_unit_test(only_objects_are_bodies),
        cmocka_unit_test(texts_are_utf8_without_nul), cmocka_unit_test(the_last_of_two_members_counts),
        cmocka_unit_test(depth_is_bounded),           cmocka_unit_test(values_are_counted_before_they_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
