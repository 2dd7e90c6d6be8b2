#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/json_write.h"

static void assert_text(struct str text, const char *wanted)
{
    struct buf buf = {0};

    json_add_text(&buf, text);
    assert_string_equal(buf_str(&buf).at, wanted);
    buf_fini(&buf);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    assert_text(STR(""), "\"\"");
    assert_text(STR_NONE, "\"\"");
    assert_text(STR("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    assert_text(STR("\n\t\x7f"), "\"\\u000A\\u0009\\u007F\"");
    assert_text(STR("\xc3\xa9\xc2\x85\xe2\x82\xac"), "\"\xc3\xa9\\u0085\xe2\x82\xac\"");
    assert_text(STR("\xff\xc3"), "\"\\ufffd\\ufffd\"");
}

/* Eight bytes are looked at together: wherever the one stands, nothing else is touched. */
static void every_byte_is_found_at_every_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 20; place++) {
            char text[20], before[32], wanted[64];
            memset(text, 'x', sizeof(text));
            text[place] = (char)byte;
            (void)snprintf(before, sizeof(before), "%.*s", (int)place, "xxxxxxxxxxxxxxxxxxxx");
            char middle[8] = {(char)byte, 0};
            if (byte == '"' || byte == '\\')
                (void)snprintf(middle, sizeof(middle), "\\%c", byte);
            else if (byte < ' ' || byte == 0x7f)
                (void)snprintf(middle, sizeof(middle), "\\u%04X", byte);
            else if (byte >= 0x80)
                (void)snprintf(middle, sizeof(middle), "\\ufffd");
            (void)snprintf(wanted, sizeof(wanted), "\"%s%s%.*s\"", before, middle, (int)(19 - place),
                           "xxxxxxxxxxxxxxxxxxxx");
            assert_text((struct str){text, sizeof(text)}, wanted);
        }
    }
}

static void numbers_are_written_in_full(void **state)
{
    static const struct {
        int64_t number;
        const char *text;
    } rows[] = {{0, "0"},
                {-1, "-1"},
                {1000, "1000"},
                {INT64_MAX, "9223372036854775807"},
                {INT64_MIN, "-9223372036854775808"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf buf = {0};
        json_add_number(&buf, rows[i].number);
        assert_string_equal(buf.at, rows[i].text);
        buf_fini(&buf);
    }
}

static void nothing_inside_is_an_empty_object(void **state)
{
    struct buf buf = {0};

    (void)state;
    size_t object = json_begin(&buf);
    buf_add_str(&buf, JSON_NAME("a"));
    json_end_object(&buf, json_begin(&buf));
    buf_add_str(&buf, JSON_NAME("b"));
    json_end_array(&buf, json_begin(&buf));
    buf_add_str(&buf, JSON_NAME("c"));
    json_add_boolean(&buf, false);
    json_end_object(&buf, object);
    assert_string_equal(buf.at, "{\"a\":{},\"b\":[],\"c\":false}");
    buf_fini(&buf);
}

static void no_character_is_cut_in_two(void **state)
{
    bool cut;

    (void)state;
    assert_int_equal(json_shown(STR("a\xe2\x82\xac"), 3, &cut).len, 1);
    assert_true(cut);
    assert_int_equal(json_shown(STR("a\xe2\x82\xac"), 4, &cut).len, 4);
    assert_false(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),           cmocka_unit_test(every_byte_is_found_at_every_place),
        cmocka_unit_test(numbers_are_written_in_full), cmocka_unit_test(nothing_inside_is_an_empty_object),
        cmocka_unit_test(no_character_is_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
