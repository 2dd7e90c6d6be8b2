/*
 * The tables of the data-plane reference, sections 1.3 and 2.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/router/path.h"

/* The caller frees it. */
static char *normal(const char *raw)
{
    char *to = mem_alloc(strlen(raw) + 2);
    size_t len = path_normalize(str_of(raw), to);
    assert_in_range(len, 1, strlen(raw) + 1);
    to[len] = '\0';
    return to;
}

static const struct {
    const char *raw, *normal;
} spellings[] = {
    {"/a//b", "/a/b"},
    {"/a/%2e%2E/c", "/c"},
    {"/a%2fb", "/a%2Fb"},
    {"/caf%C3%A9", "/caf\xc3\xa9"},
    {"/%61dmin", "/admin"},
    {"/%7Euser", "/~user"},
    {"/a%20b", "/a b"},
    {"/", "/"},
    {"", "/"},
    {"//", "/"},
    {"///a///", "/a/"},
    {"/.", "/"},
    {"/..", "/"},
    {"/../../a", "/a"},
    {"/a/./b", "/a/b"},
    {"/a/b/..", "/a/"},
    {"/a/b/../", "/a/"},
    {"/a/b/.", "/a/b/"},
    {"/a/.../b", "/a/.../b"},
    {"/a/..b", "/a/..b"},
    {"/a/.b", "/a/.b"},
    {"/a//../b", "/b"},
    {"/%", "/%"},
    {"/%4", "/%4"},
    {"/%zz%41", "/%zzA"},
    {"/%25%2e", "/%25."},
    {"/%21%2a%27%28%29%3b%3a%40%26%3d%2b%24%2c%2f%3f%23%5b%5d",
     "/%21%2A%27%28%29%3B%3A%40%26%3D%2B%24%2C%2F%3F%23%5B%5D"},
    {"*", "*"},
};

static void a_path_has_one_normal_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++) {
        char *once = normal(spellings[i].raw);
        assert_string_equal(once, spellings[i].normal);
        assert_true(!path_is_normal(str_of(spellings[i].raw)) || strcmp(once, spellings[i].raw) == 0);
        free(once);
    }
}

static void common_paths_need_no_copy(void **state)
{
    (void)state;
    assert_true(path_is_normal(STR("/")));
    assert_true(path_is_normal(STR("/api/v1/users")));
    assert_true(path_is_normal(STR("/api/v1/users/")));
    assert_true(path_is_normal(STR("/file.txt")));
    assert_false(path_is_normal(STR("/a//b")));
    assert_false(path_is_normal(STR("/a/../b")));
    assert_false(path_is_normal(STR("/%61")));
    assert_false(path_is_normal(STR("a")));
    assert_false(path_is_normal(STR("")));
}

enum strip {
    OFF,
    ON,
    ANY
};

/* The v0 column of the reference's table. */
static const struct {
    const char *service, *route; /* route NULL: matched by host */
    enum strip strip;
    const char *request, *upstream;
} joints[] = {
    {"/", "/", ANY, "/book/", "/book/"},
    {"/", "/book", OFF, "/bookend", "/bookend"},
    {"/", "/book", ON, "/book", "/"},
    {"/", "/book", ON, "/book/", "/"},
    {"/", "/book", ON, "/bookend", "/end"},
    {"/", "/book/", ON, "/book/7", "/7"},
    {"/lib", "/bo", OFF, "/book", "/lib/book"},
    {"/lib", "/bo", ON, "/book", "/lib/ok"},
    {"/lib/", "/bo", OFF, "/bo", "/lib/bo"},
    {"/lib/", "/bo", ON, "/bo", "/lib"},
    {"/lib", "/", ANY, "/", "/lib"},
    {"/lib", "/", ANY, "/book", "/lib/book"},
    {"/lib", "/book", ON, "/book", "/lib"},
    {"/lib", "/book", ON, "/book/", "/lib/"},
    {"/lib", "/book", ON, "/bookend", "/lib/end"},
    {"/lib", "/book/", OFF, "/book/7", "/lib/book/7"},
    {"/lib", "/book/", ON, "/book/", "/lib/"},
    {"/lib", "/book/", ON, "/book/7", "/lib/7"},
    {"/lib/", "/", ANY, "/", "/lib/"},
    {"/lib/", "/book", ON, "/book", "/lib"},
    {"/lib/", "/book", ON, "/book/", "/lib/"},
    {"/lib", NULL, ANY, "/", "/lib"},
    {"/lib/", NULL, ANY, "/book", "/lib/book"},
    {"/lib", "/book", ON, "/book./x", "/lib/x"},
    {"/lib", "/book", ON, "/book%2e%2E/x", "/lib/x"},
    {"/lib", "/book", OFF, "/book%2E/x", "/lib/book./x"},
    {"/lib/", "/book", OFF, "/book../x", "/lib/book../x"},
    /* Further: what cannot climb out, no service path, and the escaping at the end. */
    {"/lib", "/book", ON, "/book..", "/lib"},
    {"/lib", "/book", ON, "/book.", "/lib"},
    {NULL, "/book", ON, "/book/1", "/1"},
    {NULL, NULL, OFF, "/a", "/a"},
    {"/lib", "/", OFF, "/a%20b%2fc%41", "/lib/a%20b%2FcA"},
    {"/lib", "/", OFF, "/caf%c3%a9", "/lib/caf%C3%A9"},
    {"/", "/", OFF, "/<\">", "/%3C%22%3E"},
    {"/", "/", OFF, "/-_.~!#$&'()*+,/:;=@[]", "/-_.~!#$&'()*+,/:;=@[]"},
};

static void assert_upstream(size_t row, bool strip)
{
    char *request = normal(joints[row].request);
    const char *route = joints[row].route;
    struct path_upstream parts = {
        .service_path = str_of(joints[row].service),
        .path = str_of(request),
        .matched_length = route != NULL ? strlen(route) : 0,
        .has_route_path = route != NULL,
        .strip = strip,
    };
    char *upstream = mem_alloc(path_upstream_room(&parts) + 1);
    size_t len = path_upstream_write(&parts, upstream);
    assert_true(len <= path_upstream_room(&parts));
    upstream[len] = '\0';
    assert_string_equal(upstream, joints[row].upstream);
    free(upstream);
    free(request);
}

static void service_path_and_request_path_join_as_in_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(joints); i++) {
        if (joints[i].strip != ON)
            assert_upstream(i, false);
        if (joints[i].strip != OFF)
            assert_upstream(i, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_has_one_normal_form),
        cmocka_unit_test(common_paths_need_no_copy),
        cmocka_unit_test(service_path_and_request_path_join_as_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
