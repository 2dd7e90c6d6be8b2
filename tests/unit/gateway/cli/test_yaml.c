/*
 * YAML: types of words, anchors and merges, bounds, and that what is written is read as the same.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/cli/yaml.h"
#include "gateway/model/document.h"

static void assert_read(const char *text, const char *json)
{
    cJSON *tree = NULL;
    struct err err;
    if (!yaml_read(str_of(text), &tree, &err))
        fail_msg("'%s': %s", text, err.text);
    char *found = document_print(tree);
    assert_string_equal(found, json);
    cJSON_free(found);
    cJSON_Delete(tree);
}

static void assert_refused(const char *text, const char *why)
{
    cJSON *tree = NULL;
    struct err err;
    assert_false(yaml_read(str_of(text), &tree, &err));
    assert_null(tree);
    if (strstr(err.text, why) == NULL)
        fail_msg("'%s': %s", text, err.text);
}

static void words_have_the_types_people_expect(void **state)
{
    static const char *const words[][2] = {
        {"", "null"},
        {"~", "null"},
        {"null", "null"},
        {"Null", "null"},
        {"true", "true"},
        {"yes", "true"},
        {"On", "true"},
        {"no", "false"},
        {"off", "false"},
        {"FALSE", "false"},
        {"y", "\"y\""},
        {"n", "\"n\""},
        {"0", "0"},
        {"-7", "-7"},
        {"+7", "7"},
        {"1_000", "1000"},
        {"0x1f", "31"},
        {"017", "15"},
        {"0o17", "15"},
        {"0b101", "5"},
        {"08", "\"08\""},
        {"0x", "\"0x\""},
        {"1.5", "1.5"},
        {".5", "0.5"},
        {"1e3", "1000"},
        {"1.0", "1"},
        {"1.2.3", "\"1.2.3\""},
        {"12:30", "\"12:30\""},
        {".", "\".\""},
        {"-", "\"-\""},
        {"e5", "\"e5\""},
        {"1-2", "\"1-2\""},
        {".inf", "\".inf\""},
        {"1e999", "\"1e999\""},
        {"tRue", "\"tRue\""},
        {"_1", "\"_1\""},
        {"9007199254740991", "9007199254740991"},
        {"2020-01-01", "\"2020-01-01\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        cJSON *value = yaml_scalar(words[i][0]);
        char *found = document_print(value);
        assert_string_equal(found, words[i][1]);
        cJSON_free(found);
        cJSON_Delete(value);
    }
}

static void quotes_and_tags_say_the_type(void **state)
{
    (void)state;
    assert_read("[\"1\", '1', 1, !!str 1, !!int \"1\", !!float '1.5', !!bool \"yes\", !!null \"\"]",
                "[\"1\",\"1\",1,\"1\",1,1.5,true,null]");
    assert_read("a: |\n  one\n  two\nb: >-\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\"}");
    assert_read("1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}");
    assert_read("", "null");
    assert_refused("!!int x", "tag");
    assert_refused("!!binary aGk=", "tag");
    assert_refused("\"\\0\"", "character 0");
}

static void aliases_are_copies_and_merges_do_not_replace(void **state)
{
    (void)state;
    assert_read("a: &a {x: 1}\nb: *a\n", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}");
    assert_read("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n",
                "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3,\"y\":2}}");
    assert_read("b:\n  <<: [{x: 1}, {x: 2, y: 3}]\n", "{\"b\":{\"x\":1,\"y\":3}}");
    assert_read("b:\n  <<: {x: &k [1]}\nc: *k\n", "{\"b\":{\"x\":[1]},\"c\":[1]}");
    assert_read("a: &a 1\nb: &a 2\nc: *a\n", "{\"a\":1,\"b\":2,\"c\":2}");
    assert_read("\"<<\": 1", "{\"<<\":1}");
    assert_refused("a: &a [*a]", "anchor");
    assert_refused("a: *b", "line 1, column 4: an alias of an anchor that is not there");
    assert_refused("<<: 1", "merge");
}

static void what_is_no_tree_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: [1", "line ");
    assert_refused("a: 1\na: 2", "line 2, column 1: the same key is there twice");
    assert_refused("? [a]\n: b", "a key must be a word");
    assert_refused("--- 1\n--- 2\n", "only one document");
}

static void small_texts_stay_small(void **state)
{
    struct buf text = {0};
    (void)state;
    buf_add_text(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&text, "%s*a%d", k > 0 ? ", " : "", i - 1);
        buf_add_text(&text, "]\n");
    }
    assert_refused(text.at, "aliases make too much of this file");
    buf_clear(&text);
    for (int i = 0; i < 65; i++)
        buf_add_byte(&text, '[');
    assert_refused(text.at, "nested too deeply");
    buf_clear(&text);
    for (int i = 0; i < 4097; i++)
        buf_printf(&text, "k%d: 1\n", i);
    assert_refused(text.at, "too many keys");
    buf_fini(&text);
}

static void what_is_written_is_read_as_the_same(void **state)
{
    static const char json[] = "{\"a\":[null,true,1,1.5,-0.25,9007199254740991,1795400100.123],\"texts\":["
                               "\"\",\"true\",\"1\",\"~\",\"a: b\","
                               "\"- x\",\"two\\nlines\",\"end\\n\",\"\\n\",\" lead\\n "
                               "x\",\"cr\\r\\n\",\"tab\\t\",\"\\u00e9\\u2028\",\"#\",\"<<\",\"0x1\","
                               "\"trail \",\"a\\n\\n\"],\"on\":{},\"1\":[],\"<<\":{\"x\":\"y\"}}";
    cJSON *tree = cJSON_Parse(json);
    cJSON *again = NULL;
    struct buf text = {0};
    struct err err;
    (void)state;
    assert_non_null(tree);
    assert_true(yaml_write(tree, &text, &err));
    assert_true(yaml_read(buf_str(&text), &again, &err));
    char *before = document_print(tree);
    char *after = document_print(again);
    assert_string_equal(before, after);
    cJSON_free(before);
    cJSON_free(after);
    cJSON_Delete(tree);
    cJSON_Delete(again);
    buf_fini(&text);
}

static void lines_are_known(void **state)
{
    cJSON *tree = NULL;
    struct err err;
    (void)state;
    assert_true(yaml_read(STR("a:\n- x: 1\n\n- y: 2\n"), &tree, &err));
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, "a");
    assert_int_equal(list->child->valueint, 2);
    assert_int_equal(list->child->next->valueint, 4);
    cJSON_Delete(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_the_types_people_expect),
        cmocka_unit_test(quotes_and_tags_say_the_type),
        cmocka_unit_test(aliases_are_copies_and_merges_do_not_replace),
        cmocka_unit_test(what_is_no_tree_is_refused_with_its_place),
        cmocka_unit_test(small_texts_stay_small),
        cmocka_unit_test(what_is_written_is_read_as_the_same),
        cmocka_unit_test(lines_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
