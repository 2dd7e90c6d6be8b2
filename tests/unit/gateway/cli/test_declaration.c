/*
 * Declarative files: children inside their parents, references, ids, and what is said about mistakes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/cli/declaration.h"
#include "gateway/model/document.h"

static struct schemas *schemas;
static const int64_t now_us = 1795400100000000;

static int setup(void **state)
{
    (void)state;
    schemas = schemas_new();
    schemas_add_core(schemas);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    schemas_free(schemas);
    return 0;
}

static struct declaration *read_text(const char *text)
{
    struct declaration *declaration = NULL;
    struct err err;
    if (!declaration_read(str_of(text), schemas, &declaration, &err))
        fail_msg("%s", err.text);
    return declaration;
}

static struct declaration *resolved(const char *text)
{
    struct declaration *declaration = read_text(text);
    if (!declaration_resolve(declaration, now_us))
        fail_msg("%s", declaration->problems.at);
    return declaration;
}

static const char *text_at(const struct declaration *declaration, size_t i, const char *name)
{
    return document_text(declaration->at[i].document, name);
}

static const char *reference_at(const struct declaration *declaration, size_t i, const char *name)
{
    return document_text(cJSON_GetObjectItemCaseSensitive(declaration->at[i].document, name), "id");
}

static void assert_problems(const char *text, const char *problems)
{
    struct declaration *declaration = read_text(text);
    assert_false(declaration_resolve(declaration, now_us));
    assert_string_equal(declaration->problems.at, problems);
    declaration_free(declaration);
}

static void children_refer_to_whom_they_are_in(void **state)
{
    (void)state;
    struct declaration *file =
        resolved("_format_version: '3.0'\n"
                 "services:\n"
                 "- {name: s, host: h, _comment: x, routes: [{name: r, paths: [/a]}]}\n"
                 "upstreams: [{name: u, targets: [{target: t}]}]\n"
                 "routes: [{name: q, paths: [/b], service: s}]\n");
    assert_int_equal(file->count, 5);
    assert_string_equal(file->at[1].place, "services.1.routes.1");
    assert_string_equal(reference_at(file, 1, "service"), text_at(file, 0, "id"));
    assert_string_equal(reference_at(file, 3, "upstream"), text_at(file, 2, "id"));
    assert_string_equal(text_at(file, 3, "target"), "t:8000");
    assert_string_equal(reference_at(file, 4, "service"), text_at(file, 0, "id"));
    declaration_free(file);
}

static void references_are_names_or_ids_in_any_form(void **state)
{
    static const char id[] = "5b1e0000-0000-4000-8000-0000000000AA";
    static const char *const forms[] = {"s", "{name: s}", "{id: 5b1e0000-0000-4000-8000-0000000000aa}",
                                        "5b1e0000-0000-4000-8000-0000000000AA"};
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct buf text = {0};
        buf_printf(&text,
                   "_format_version: 3.0\nservices: [{name: s, host: h, id: %s}]\n"
                   "routes: [{paths: [/a], service: %s}]\n",
                   id, forms[i]);
        struct declaration *file = resolved(text.at);
        assert_string_equal(reference_at(file, 1, "service"), "5b1e0000-0000-4000-8000-0000000000aa");
        declaration_free(file);
        buf_fini(&text);
    }
}

static void the_same_file_has_the_same_ids(void **state)
{
    static const char text[] = "_format_version: '3.0'\n"
                               "services:\n"
                               "- {name: s, host: h, routes: [{paths: [/a]}, {paths: [/a]}, {paths: [/b]}]}\n"
                               "- {host: h}\n"
                               "- {host: h}\n";
    (void)state;
    struct declaration *one = resolved(text);
    struct declaration *two = resolved(text);
    for (size_t i = 0; i < one->count; i++) {
        assert_string_equal(text_at(one, i, "id"), text_at(two, i, "id"));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(text_at(one, i, "id"), text_at(one, k, "id"));
    }
    declaration_free(one);
    declaration_free(two);
}

static void what_is_stored_already_is_no_change(void **state)
{
    static const char text[] =
        "_format_version: '3.0'\nservices: [{name: s, host: h, routes: [{paths: [/a]}]}]\n";
    (void)state;
    struct declaration *one = resolved(text);
    struct declaration *two = read_text(text);
    for (size_t i = 0; i < one->count; i++)
        declaration_add_stored(two, one->at[i].schema, one->at[i].document);
    assert_true(declaration_resolve(two, now_us + 5000000));
    for (size_t i = 0; i < two->count; i++) {
        assert_non_null(two->at[i].old);
        assert_false(two->at[i].is_changed);
    }
    struct declaration *three = read_text("_format_version: '3.0'\nservices: [{name: s, host: other}]\n");
    declaration_add_stored(three, one->at[0].schema, one->at[0].document);
    assert_true(declaration_resolve(three, now_us + 5000000));
    assert_true(three->at[0].is_changed);
    assert_string_equal(text_at(three, 0, "id"), text_at(one, 0, "id"));
    assert_int_equal(document_int(three->at[0].document, "created_at", 0), now_us / 1000000);
    declaration_free(one);
    declaration_free(two);
    declaration_free(three);
}

static void older_formats_mark_patterns(void **state)
{
    static const struct {
        const char *version, *path, *stored;
    } cases[] = {{"1.1", "/a/.*", "~/a/.*"}, {"2.1", "/a(b)?", "~/a(b)?"}, {"2.1", "/a_b-c~.d", "/a_b-c~.d"}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        buf_printf(&text, "_format_version: %s\nroutes: [{paths: ['%s']}]\n", cases[i].version,
                   cases[i].path);
        struct declaration *file = resolved(text.at);
        const cJSON *paths = cJSON_GetObjectItemCaseSensitive(file->at[0].document, "paths");
        assert_string_equal(paths->child->valuestring, cases[i].stored);
        declaration_free(file);
        buf_fini(&text);
    }
}

static void all_mistakes_are_told_with_their_places(void **state)
{
    (void)state;
    assert_problems(
        "_format_version: '4'\nx: 1\nservices: 7\nroutes: [1]\nconsumers: [{username: a}, {username: a}]\n",
        "_format_version: expected one of: 1.1, 2.1, 3.0\n"
        "x: unknown field\n"
        "services: expected a list\n"
        "routes.1: expected an entity\n"
        "consumers.2 (line 5): username: consumers.1 has the same\n");
    assert_problems(
        "_format_version: '3.0'\nservices:\n- host: h\n  port: x\n  routes:\n  - {service: s, paths: [/a]}\n",
        "services.1.routes.1 (line 6): service: said by the place already\n"
        "services.1 (line 3): port: expected an integer\n");
    assert_problems("{\"_format_version\": \"3.0\", \"routes\": [{\"paths\": [\"/a\"], \"service\": "
                    "{\"name\": \"no\"}}]}",
                    "routes.1: service: there is no entity 'no' among services\n");
}

static void pairs_of_escapes_in_json_are_one_character(void **state)
{
    (void)state;
    struct declaration *file =
        resolved("{\"_format_version\":\"3.0\",\"consumers\":[{\"username\":\"\\ud83d\\ude00\"}]}");
    assert_string_equal(text_at(file, 0, "username"), "\xf0\x9f\x98\x80");
    declaration_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_refer_to_whom_they_are_in),
        cmocka_unit_test(references_are_names_or_ids_in_any_form),
        cmocka_unit_test(the_same_file_has_the_same_ids),
        cmocka_unit_test(what_is_stored_already_is_no_change),
        cmocka_unit_test(older_formats_mark_patterns),
        cmocka_unit_test(all_mistakes_are_told_with_their_places),
        cmocka_unit_test(pairs_of_escapes_in_json_are_one_character),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
