/* What the guard passes depends on its limits; the rest of it is tested through a server in test_front.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/guard.h"

static int status_of(const char *head, bool raw_targets)
{
    const struct guard_limits limits = {.head_bytes = 1000, .line_bytes = 100, .raw_targets = raw_targets};
    struct guard_request request;

    return guard_check(str_of(head), &limits, &request).status;
}

static void bytes_above_ascii_pass_in_targets_only_where_wanted(void **state)
{
    static const char head[] = "GET /services/\xc3\xa4?tags=\xff HTTP/1.1\r\nHost: a\r\n\r\n";

    (void)state;
    assert_int_equal(status_of(head, false), 400);
    assert_int_equal(status_of(head, true), 0);
}

static void controls_and_fragments_pass_nowhere(void **state)
{
    (void)state;
    for (int raw = 0; raw < 2; raw++) {
        assert_int_equal(status_of("GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", raw == 1), 400);
        assert_int_equal(status_of("GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", raw == 1), 400);
        assert_int_equal(status_of("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", raw == 1), 400);
        assert_int_equal(status_of("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", raw == 1), 400);
        assert_int_equal(status_of("GET /\xc3\xa4 HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", raw == 1), 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_above_ascii_pass_in_targets_only_where_wanted),
        cmocka_unit_test(controls_and_fragments_pass_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
