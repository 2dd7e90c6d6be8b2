/*
 * Figures as text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/exposition.h"

static void is(struct buf *out, const char *expected)
{
    assert_string_equal(buf_str(out).at, expected);
    buf_fini(out);
}

static void labels_are_escaped(void **state)
{
    struct buf labels = {0};

    (void)state;
    exposition_label(&labels, "a", STR("back\\slash, \"quote\", line\nend"));
    exposition_label(&labels, "b", STR(""));
    exposition_label(&labels, "c", STR("{}=,\t\xc3\xa4"));
    is(&labels, "a=\"back\\\\slash, \\\"quote\\\", line\\nend\",b=\"\",c=\"{}=,\t\xc3\xa4\"");
}

static void numbers_are_exact(void **state)
{
    static const struct {
        int64_t value, scale;
        const char *text;
    } cases[] = {
        {0, 1, "m 0\n"},
        {INT64_MAX, 1, "m 9223372036854775807\n"},
        {INT64_MIN, 1, "m -9223372036854775808\n"},
        {1, 1000, "m 0.001\n"},
        {2500, 1000, "m 2.5\n"},
        {-2500, 1000, "m -2.5\n"},
        {-1, 1000000, "m -0.000001\n"},
        {7000000, 1000000, "m 7\n"},
        {INT64_MIN, 1000, "m -9223372036854775.808\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        exposition_fraction(&out, "m", STR(""), cases[i].value, cases[i].scale);
        is(&out, cases[i].text);
    }
}

static void a_family_is_its_comments_and_samples(void **state)
{
    struct buf out = {0};

    (void)state;
    exposition_family(&out, "m", "gauge", "what it is");
    exposition_sample(&out, "m", STR(""), 3);
    exposition_sample(&out, "m", STR("a=\"b\""), -4);
    is(&out, "# HELP m what it is\n# TYPE m gauge\nm 3\nm{a=\"b\"} -4\n");
}

static void buckets_add_up(void **state)
{
    static const int64_t limits[] = {1, 5};
    static const struct exposition_buckets buckets = {limits, COUNT(limits), 1};
    const int64_t counts[] = {2, 0, 1};
    struct buf out = {0};

    (void)state;
    assert_int_equal(exposition_bucket_of(&buckets, -1), 0);
    assert_int_equal(exposition_bucket_of(&buckets, 1), 0); /* a limit belongs to what is below it */
    assert_int_equal(exposition_bucket_of(&buckets, 2), 1);
    assert_int_equal(exposition_bucket_of(&buckets, 6), 2);
    exposition_histogram(&out, "m", STR(""), &buckets, counts, 10);
    is(&out, "m_bucket{le=\"1\"} 2\nm_bucket{le=\"5\"} 2\nm_bucket{le=\"+Inf\"} 3\nm_sum 10\nm_count 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(a_family_is_its_comments_and_samples),
        cmocka_unit_test(buckets_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
