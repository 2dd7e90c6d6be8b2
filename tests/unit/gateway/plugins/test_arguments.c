/*
 * Named values in queries and bodies: found as other readers find them, removed without touching the rest.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/arguments.h"

#define FORM      "application/x-www-form-urlencoded"
#define JSON      "application/json"
#define MULTIPART "multipart/form-data; boundary=xx"

static struct exchange *exchange;

static int setup(void **state)
{
    const struct exchange_request request = {.method = STR("POST"), .path = STR("/")};

    (void)state;
    exchange = exchange_recorder_new(NULL, &request);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exchange_recorder_free(exchange);
    return 0;
}

static void assert_text(struct str text, const char *wanted)
{
    if (wanted == NULL ? text.at != NULL : text.at == NULL || !str_equal(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted != NULL ? wanted : "(none)");
}

static void assert_argument(struct argument argument, size_t count, const char *value)
{
    assert_int_equal(argument.count, count);
    assert_text(argument.value, value);
}

static void assert_in_query(const char *query, size_t count, const char *value)
{
    assert_argument(encoded_find(exchange, str_of(query), STR("key")), count, value);
}

static void a_query_is_decoded_before_it_is_compared(void **state)
{
    (void)state;
    assert_in_query("a=1&key=good&b=2", 1, "good");
    assert_in_query("%6Bey=a%20b%2Bc+d", 1, "a b+c d");
    assert_in_query("key=a=b", 1, "a=b");
    assert_in_query("key=%c3%A9", 1, "\xc3\xa9");
    assert_argument(encoded_find(exchange, STR("a+b=1"), STR("a b")), 1, "1");
}

static void names_in_a_query_have_their_case_and_their_whole_length(void **state)
{
    (void)state;
    assert_in_query("KEY=1&keys=2&ke=3&key%00=4", 0, NULL);
    assert_in_query("", 0, NULL);
    assert_in_query("&&=x&", 0, NULL);
    assert_argument(encoded_find(exchange, STR_NONE, STR("key")), 0, NULL);
}

static void a_name_without_a_value_is_there_but_has_no_text(void **state)
{
    (void)state;
    assert_in_query("key", 1, NULL);
    assert_in_query("key=", 1, "");
}

static void a_repeated_argument_is_counted_and_the_first_value_told(void **state)
{
    (void)state;
    assert_in_query("key=1&a&key=2", 2, "1");
    assert_in_query("key&key=2", 2, NULL);
    assert_in_query("key=1&%6bey=2&key", 3, "1");
}

static void a_percent_that_encodes_nothing_stands_for_itself(void **state)
{
    (void)state;
    assert_in_query("key=100%", 1, "100%");
    assert_in_query("key=%4", 1, "%4");
    assert_in_query("key=%zz%4g%g4", 1, "%zz%4g%g4");
    struct argument argument = encoded_find(exchange, STR("key=a%00b"), STR("key"));
    assert_int_equal(argument.value.len, 3);
    assert_memory_equal(argument.value.at, "a\0b", 3);
}

static void assert_removed(const char *query, const char *left)
{
    assert_text(encoded_remove(exchange, str_of(query), STR("key")), left);
}

static void removing_leaves_the_other_arguments_as_they_came(void **state)
{
    (void)state;
    assert_removed("key=1", NULL);
    assert_removed("key=1&key&%6bey=3", NULL);
    assert_removed("a=%41+b&key=1&c", "a=%41+b&c");
    assert_removed("key=1&a", "a");
    assert_removed("a=1&&keys=2&Key=3", "a=1&keys=2&Key=3");
}

static void the_type_of_a_body_is_its_media_type(void **state)
{
    (void)state;
    assert_int_equal(body_type_of(STR("application/x-www-form-urlencoded")), BODY_ENCODED);
    assert_int_equal(body_type_of(STR("Application/JSON ; charset=utf-8")), BODY_JSON);
    assert_int_equal(body_type_of(STR("multipart/form-data;boundary=x")), BODY_MULTIPART);
    assert_int_equal(body_type_of(STR("application/jsonp")), BODY_OTHER);
    assert_int_equal(body_type_of(STR("text/plain")), BODY_OTHER);
    assert_int_equal(body_type_of(STR("")), BODY_OTHER);
    assert_int_equal(body_type_of(STR_NONE), BODY_OTHER);
}

static void assert_in_body(const char *type, const char *body, size_t count, const char *value)
{
    assert_argument(body_find(exchange, str_of(type), str_of(body), STR("key")), count, value);
}

static void assert_body_left(const char *type, const char *body, const char *left)
{
    assert_text(body_remove(exchange, str_of(type), str_of(body), STR("key")), left);
}

static void a_body_of_another_type_has_no_arguments(void **state)
{
    (void)state;
    assert_in_body("text/plain", "key=1", 0, NULL);
    assert_in_body(NULL, "key=1", 0, NULL);
    assert_in_body(FORM, NULL, 0, NULL);
    assert_in_body(JSON, "", 0, NULL);
    const char *body = "key=1";
    assert_ptr_equal(body_remove(exchange, STR("text/plain"), str_of(body), STR("key")).at, body);
}

static void an_urlencoded_body_is_read_like_a_query(void **state)
{
    (void)state;
    assert_in_body(FORM "; charset=utf-8", "a=1&key=x%20y", 1, "x y");
    assert_in_body(FORM, "key=1&key=2", 2, "1");
    assert_body_left(FORM, "a=1&key=x&b=2", "a=1&b=2");
    assert_body_left(FORM, "key=x", "");
}

static void members_of_a_json_object_are_arguments(void **state)
{
    (void)state;
    assert_in_body(JSON, " {\"a\":1, \"key\" : \"x\\u00e9\\n\"}\r\n", 1, "x\xc3\xa9\n");
    assert_in_body(JSON, "{\"\\u006bey\":\"x\"}", 1, "x");
    assert_in_body(JSON, "{\"key\":\"\"}", 1, "");
    assert_in_body(JSON, "{\"KEY\":\"x\",\"a\":{\"key\":\"x\"}}", 0, NULL);
    assert_in_body(JSON, "[{\"key\":\"x\"}]", 0, NULL);
    assert_in_body(JSON, "\"key\"", 0, NULL);
}

static void json_values_that_are_no_text_are_told_apart(void **state)
{
    (void)state;
    assert_in_body(JSON, "{\"key\":123}", 1, NULL);
    assert_in_body(JSON, "{\"key\":null}", 1, NULL);
    assert_in_body(JSON, "{\"key\":true}", 1, NULL);
    assert_in_body(JSON, "{\"key\":[\"a\",\"b\"]}", 2, NULL);
    assert_in_body(JSON, "{\"key\":{\"a\":1}}", 2, NULL);
    assert_in_body(JSON, "{\"key\":\"first\",\"key\":\"last\"}", 1, "last");
}

static void what_cannot_be_read_as_json_has_no_arguments(void **state)
{
    char *deep = mem_zalloc(20000);
    (void)state;

    assert_in_body(JSON, "{\"key\":\"x\"", 0, NULL);
    assert_in_body(JSON, "{\"key\":\"x\"} and more", 0, NULL);
    assert_in_body(JSON, "{\"key\":\"x\"}{}", 0, NULL);
    assert_in_body(JSON, "key=x", 0, NULL);
    memset(deep, '[', 19999);
    assert_in_body(JSON, deep, 0, NULL);
    free(deep);
}

static void removing_from_json_changes_no_other_byte(void **state)
{
    (void)state;
    assert_body_left(JSON, "{\"key\":\"x\"}", "{}");
    assert_body_left(JSON, "{ \"key\" : \"x\" }", "{}");
    assert_body_left(JSON, "{\"key\":\"x\", \"n\":12345678901234567890.50 }\n",
                     "{ \"n\":12345678901234567890.50 }\n");
    assert_body_left(JSON, "{\"a\":\"\\u0000,}\\\"\", \"key\":[1,{\"b\":\"]\"}] ,\"c\":{\"key\":\",\"}}",
                     "{\"a\":\"\\u0000,}\\\"\",\"c\":{\"key\":\",\"}}");
    assert_body_left(JSON, "{\"key\":1,\"a\":2,\"k\\u0065y\":3}", "{\"a\":2}");
    assert_body_left(JSON, "{\"keys\":1,\"Key\":\"key\"}", "{\"keys\":1,\"Key\":\"key\"}");
    assert_body_left(JSON, "{\"a\":1", "{\"a\":1");
}

static const char two_parts[] = "preamble\r\n"
                                "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n"
                                "--xx\r\ncontent-type: text/plain\r\n"
                                "content-disposition: form-data; filename=\"f\"; NAME=key\r\n\r\ngood\r\n"
                                "--xx--\r\n";

static void parts_of_a_multipart_body_are_arguments(void **state)
{
    (void)state;
    assert_in_body(MULTIPART, two_parts, 1, "good");
    assert_argument(body_find(exchange, STR(MULTIPART), str_of(two_parts), STR("a")), 1, "one\r\ntwo");
    assert_in_body("multipart/form-data; charset=x; Boundary=\"xx\"", two_parts, 1, "good");
    assert_in_body(MULTIPART, "--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n\r\n--xx--", 1,
                   "");
    assert_body_left(MULTIPART, two_parts,
                     "preamble\r\n"
                     "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n"
                     "--xx--\r\n");
}

static void a_part_without_a_name_is_no_argument(void **state)
{
    static const char body[] = "--xx\r\nContent-Type: a/b; name=key\r\n\r\n1\r\n"
                               "--xx\r\nContent-Disposition: form-data; key\r\n\r\n2\r\n--xx--\r\n";
    (void)state;
    assert_in_body(MULTIPART, body, 0, NULL);
}

static void a_repeated_part_is_counted(void **state)
{
    static const char body[] = "--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n1\r\n"
                               "--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n2\r\n--xx--\r\n";
    (void)state;

    assert_in_body(MULTIPART, body, 2, "1");
    assert_body_left(MULTIPART, body, "--xx--\r\n");
}

static void a_boundary_counts_at_the_start_of_a_line_only(void **state)
{
    static const char body[] =
        "--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na --xx b\r\n--xx--";
    (void)state;
    assert_in_body(MULTIPART, body, 1, "a --xx b");
}

static void what_follows_the_last_part_is_for_nobody(void **state)
{
    static const char body[] = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xx--\r\n"
                               "Content-Disposition: form-data; name=\"key\"\r\n\r\nx\r\n--xx--\r\n";
    (void)state;
    assert_in_body(MULTIPART, body, 0, NULL);
}

/* Otherwise the gateway and the upstream would find different arguments in one body. */
static void a_semicolon_in_quotes_separates_nothing(void **state)
{
    static const char inside[] =
        "--xx\r\nContent-Disposition: form-data; filename=\"; name=key; \"; name=\"a\"\r\n"
        "\r\n1\r\n--xx--";
    static const char escaped[] = "--xx\r\nContent-Disposition: form-data; filename=\"\\\"; name=key; \"; "
                                  "name=\"a;b\"\r\n\r\n1\r\n--xx--";
    (void)state;
    assert_in_body(MULTIPART, inside, 0, NULL);
    assert_in_body(MULTIPART, escaped, 0, NULL);
    assert_argument(body_find(exchange, STR(MULTIPART), str_of(inside), STR("a")), 1, "1");
    assert_argument(body_find(exchange, STR(MULTIPART), str_of(escaped), STR("a;b")), 1, "1");
}

static void what_cannot_be_read_as_multipart_has_no_arguments(void **state)
{
    static const char part[] = "\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nx";
    char type[128] = "multipart/form-data; boundary=";
    char body[256];
    (void)state;

    (void)snprintf(body, sizeof(body), "--xx%s", part); /* never ends */
    assert_in_body(MULTIPART, body, 0, NULL);
    (void)snprintf(body, sizeof(body), "--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n--xx--");
    assert_in_body(MULTIPART, body, 0, NULL);
    assert_in_body("multipart/form-data", two_parts, 0, NULL);
    assert_in_body("multipart/form-data; boundary=", two_parts, 0, NULL);
    assert_in_body("multipart/form-data; boundary=yy", two_parts, 0, NULL);
    /* 70 bytes are the longest boundary there is. */
    memset(type + strlen(type), 'b', 70);
    (void)snprintf(body, sizeof(body), "--%s%s\r\n--%s--", type + 30, part, type + 30);
    assert_in_body(type, body, 1, "x");
    type[strlen(type)] = 'b';
    (void)snprintf(body, sizeof(body), "--%s%s\r\n--%s--", type + 30, part, type + 30);
    assert_in_body(type, body, 0, NULL);
}

static void many_arguments_are_no_trouble(void **state)
{
    enum {
        COUNT_OF_PAIRS = 20000
    };
    struct buf text = {0};
    (void)state;

    for (int i = 0; i < COUNT_OF_PAIRS; i++)
        buf_printf(&text, "a%d=%d&", i, i);
    buf_add_text(&text, "key=last");
    assert_argument(encoded_find(exchange, buf_str(&text), STR("key")), 1, "last");
    struct str left = encoded_remove(exchange, buf_str(&text), STR("key"));
    assert_int_equal(left.len, text.len - strlen("&key=last"));
    buf_fini(&text);
}

static void bodies_that_would_stop_the_loop_are_not_read(void **state)
{
    size_t size = ARGUMENTS_MAX_BYTES + 100;
    char *text = mem_alloc(size);

    (void)state;
    memset(text, '1', size);
    memcpy(text, "key=", 4);
    assert_int_equal(
        body_find(exchange, STR(FORM), (struct str){text, ARGUMENTS_MAX_BYTES}, STR("key")).count, 1);
    assert_int_equal(
        body_find(exchange, STR(FORM), (struct str){text, ARGUMENTS_MAX_BYTES + 1}, STR("key")).count, 0);
    for (size_t values = ARGUMENTS_MAX_VALUES - 1; values <= ARGUMENTS_MAX_VALUES + 1; values++) {
        size_t length = (size_t)snprintf(text, size, "{\"key\":\"a,[{\\\",\",\"list\":[0");
        for (size_t i = 3; i < values; i++, length += 2) /* the object and its members were first */
            memcpy(text + length, ",1", 2);
        memcpy(text + length, "]}", 2);
        assert_int_equal(body_find(exchange, STR(JSON), (struct str){text, length + 2}, STR("key")).count,
                         values <= ARGUMENTS_MAX_VALUES ? 1 : 0);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_decoded_before_it_is_compared),
        cmocka_unit_test(names_in_a_query_have_their_case_and_their_whole_length),
        cmocka_unit_test(a_name_without_a_value_is_there_but_has_no_text),
        cmocka_unit_test(a_repeated_argument_is_counted_and_the_first_value_told),
        cmocka_unit_test(a_percent_that_encodes_nothing_stands_for_itself),
        cmocka_unit_test(removing_leaves_the_other_arguments_as_they_came),
        cmocka_unit_test(the_type_of_a_body_is_its_media_type),
        cmocka_unit_test(a_body_of_another_type_has_no_arguments),
        cmocka_unit_test(an_urlencoded_body_is_read_like_a_query),
        cmocka_unit_test(members_of_a_json_object_are_arguments),
        cmocka_unit_test(json_values_that_are_no_text_are_told_apart),
        cmocka_unit_test(what_cannot_be_read_as_json_has_no_arguments),
        cmocka_unit_test(removing_from_json_changes_no_other_byte),
        cmocka_unit_test(parts_of_a_multipart_body_are_arguments),
        cmocka_unit_test(a_part_without_a_name_is_no_argument),
        cmocka_unit_test(a_repeated_part_is_counted),
        cmocka_unit_test(a_boundary_counts_at_the_start_of_a_line_only),
        cmocka_unit_test(what_follows_the_last_part_is_for_nobody),
        cmocka_unit_test(a_semicolon_in_quotes_separates_nothing),
        cmocka_unit_test(what_cannot_be_read_as_multipart_has_no_arguments),
        cmocka_unit_test(many_arguments_are_no_trouble),
        cmocka_unit_test(bodies_that_would_stop_the_loop_are_not_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
