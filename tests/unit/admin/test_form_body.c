/*
 * Form bodies become the shapes clients mean (reference 1.6).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/form_body.h"
#include "admin/multipart.h"

static void is_form(const char *body, const char *expected)
{
    cJSON *object;

    assert_int_equal(form_parse(str_of(body), &object), FORM_OK);
    char *text = cJSON_PrintUnformatted(object);
    assert_string_equal(text, expected);
    free(text);
    cJSON_Delete(object);
}

static void is_multipart(const char *body, const char *expected)
{
    cJSON *object;

    assert_int_equal(multipart_parse(str_of(body), STR("xx"), &object), FORM_OK);
    char *text = cJSON_PrintUnformatted(object);
    assert_string_equal(text, expected);
    free(text);
    cJSON_Delete(object);
}

static void scalars_stay_text(void **state)
{
    (void)state;
    is_form("", "{}");
    is_form("name=a+b&port=80", "{\"name\":\"a b\",\"port\":\"80\"}");
    is_form("a=%41%zz%4", "{\"a\":\"A%zz%4\"}");
    is_form("=x&&", "{}");
}

static void an_empty_value_is_null_and_a_bare_name_is_true(void **state)
{
    (void)state;
    is_form("tags=&enabled", "{\"tags\":null,\"enabled\":true}");
    is_form("tags[]=", "{\"tags\":[null]}");
}

static void dots_nest(void **state)
{
    (void)state;
    is_form("config.minute=5&config.a.b=c", "{\"config\":{\"minute\":\"5\",\"a\":{\"b\":\"c\"}}}");
    is_form("headers.x-tenant[]=a", "{\"headers\":{\"x-tenant\":[\"a\"]}}");
}

static void repetition_and_brackets_make_arrays(void **state)
{
    (void)state;
    is_form("paths[]=%2Fa&paths[]=%2Fb", "{\"paths\":[\"/a\",\"/b\"]}");
    is_form("paths[]=/a", "{\"paths\":[\"/a\"]}");
    is_form("paths=/a&paths=/b&paths=/c", "{\"paths\":[\"/a\",\"/b\",\"/c\"]}");
    is_form("paths=/a,/b", "{\"paths\":\"/a,/b\"}");
}

static void numbers_count_from_one_in_any_order(void **state)
{
    (void)state;
    is_form("a[2]=y&a[1]=x", "{\"a\":[\"x\",\"y\"]}");
    is_form("a.b[1]=x", "{\"a\":{\"b\":[\"x\"]}}");
    is_form("s[1].ip=1.1.1.1&s[1].port=1&s[2].port=2",
            "{\"s\":[{\"ip\":\"1.1.1.1\",\"port\":\"1\"},{\"port\":\"2\"}]}");
}

static void a_gap_or_a_zero_is_no_array(void **state)
{
    (void)state;
    is_form("a[0]=x", "{\"a\":{\"0\":\"x\"}}");
    is_form("a[1]=x&a[3]=y", "{\"a\":{\"1\":\"x\",\"3\":\"y\"}}");
    is_form("a[99999999999999999999]=x", "{\"a\":{\"99999999999999999999\":\"x\"}}");
}

static void the_last_word_decides_what_something_is(void **state)
{
    (void)state;
    is_form("a=1&a.b=2", "{\"a\":{\"b\":\"2\"}}");
    is_form("a.b=2&a=1", "{\"a\":\"1\"}");
    is_form("a[1]=x&a.b=y", "{\"a\":{\"b\":\"y\"}}");
}

static void other_brackets_are_part_of_the_name(void **state)
{
    (void)state;
    is_form("a[b]=1&[]=2&c[=3", "{\"a[b]\":\"1\",\"[]\":\"2\",\"c[\":\"3\"}");
}

static void names_deeper_than_any_entity_end_early(void **state)
{
    char body[4096] = "";
    cJSON *object;

    (void)state;
    for (int i = 0; i < 1000; i++)
        memcpy(body + 2 * i, "a.", 2);
    memcpy(body + 2000, "a=1", 4);
    assert_int_equal(form_parse(str_of(body), &object), FORM_OK);
    cJSON_Delete(object);
}

static void bad_text_and_too_much_are_refused(void **state)
{
    char body[8192] = "";
    cJSON *object;

    (void)state;
    assert_int_equal(form_parse(STR("a=%00"), &object), FORM_BAD_TEXT);
    assert_int_equal(form_parse(STR("a=%ff"), &object), FORM_BAD_TEXT);
    assert_int_equal(form_parse(STR("%ff=a"), &object), FORM_BAD_TEXT);
    for (int i = 0; i < 1001; i++)
        memcpy(body + 4 * i, "a=1&", 4);
    assert_int_equal(form_parse(str_of(body), &object), FORM_TOO_MANY);
    body[4 * 1000] = '\0';
    assert_int_equal(form_parse(str_of(body), &object), FORM_OK);
    assert_int_equal(cJSON_GetArraySize(object->child), 1000);
    cJSON_Delete(object);
}

static void multipart_fields_are_read(void **state)
{
    (void)state;
    is_multipart(
        "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
        "--xx\r\ncontent-disposition: form-data; name=b; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\n"
        "two\r\nlines\r\n--xx--\r\n",
        "{\"a\":\"1\",\"b\":\"two\\r\\nlines\"}");
    is_multipart("preamble\r\n--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--xx--",
                 "{\"a\":null}");
}

static void in_multipart_the_last_one_wins(void **state)
{
    static const char body[] = "--xx\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n1\r\n"
                               "--xx\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n2\r\n--xx--";
    static const char numbered[] = "--xx\r\nContent-Disposition: form-data; name=\"a[1]\"\r\n\r\n1\r\n"
                                   "--xx\r\nContent-Disposition: form-data; name=\"a[2]\"\r\n\r\n2\r\n--xx--";

    (void)state;
    is_multipart(body, "{\"a\":[\"2\"]}");
    is_multipart(numbered, "{\"a\":[\"1\",\"2\"]}");
}

static void a_broken_multipart_has_what_is_complete(void **state)
{
    (void)state;
    is_multipart("", "{}");
    is_multipart("nothing", "{}");
    is_multipart("--xx", "{}");
    is_multipart("--xx\r\n--xx--", "{}");
    is_multipart("--xx\r\n\r\nno head\r\n--xx--", "{}");
    is_multipart("--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xx\r\nContent-Dispo",
                 "{\"a\":\"1\"}");
    is_multipart("--xx\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\n1\r\n--xx--", "{}");
}

static void the_boundary_is_found_in_the_content_type(void **state)
{
    (void)state;
    assert_true(str_equal(multipart_boundary(STR("multipart/form-data; boundary=ab")), STR("ab")));
    assert_true(str_equal(multipart_boundary(STR("multipart/form-data; boundary=\"a b\"; x")), STR("a b")));
    assert_null(multipart_boundary(STR("multipart/form-data")).at);
    assert_null(multipart_boundary(STR("multipart/form-data; boundary=")).at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_stay_text),
        cmocka_unit_test(an_empty_value_is_null_and_a_bare_name_is_true),
        cmocka_unit_test(dots_nest),
        cmocka_unit_test(repetition_and_brackets_make_arrays),
        cmocka_unit_test(numbers_count_from_one_in_any_order),
        cmocka_unit_test(a_gap_or_a_zero_is_no_array),
        cmocka_unit_test(the_last_word_decides_what_something_is),
        cmocka_unit_test(other_brackets_are_part_of_the_name),
        cmocka_unit_test(names_deeper_than_any_entity_end_early),
        cmocka_unit_test(bad_text_and_too_much_are_refused),
        cmocka_unit_test(multipart_fields_are_read),
        cmocka_unit_test(in_multipart_the_last_one_wins),
        cmocka_unit_test(a_broken_multipart_has_what_is_complete),
        cmocka_unit_test(the_boundary_is_found_in_the_content_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
