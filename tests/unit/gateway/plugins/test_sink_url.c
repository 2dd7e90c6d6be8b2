/*
 * URLs of sinks: who is named in them, and that neither he nor anything behind the host is shown.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/plugins/sink_url.h"

static const struct {
    const char *url, *scheme, *user, *rest, *shown;
} cases[] = {
    {"http://a", "http://", "", "a", "a"},
    {"https://a.b:8443/hooks/secret?key=1#x", "https://", "", "a.b:8443/hooks/secret?key=1#x", "a.b:8443"},
    {"https://ann:p@ss@host/x", "https://", "ann:p@ss", "host/x", "host"},
    {"https://host/x@y", "https://", "", "host/x@y", "host"},
    {"https://host?x@y", "https://", "", "host?x@y", "host"},
    {"https://[::1]:80#@", "https://", "", "[::1]:80#@", "[::1]:80"},
    {"ann@host", "", "ann", "host", "host"},
    {"", "", "", "", ""},
};

static void assert_str(struct str text, const char *wanted)
{
    if (!str_equal(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted);
}

static void only_the_host_is_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sink_url parts = sink_url_split(cases[i].url);
        assert_str(parts.scheme, cases[i].scheme);
        assert_str(parts.user, cases[i].user);
        assert_str(parts.rest, cases[i].rest);
        assert_str(sink_url_shown(cases[i].url), cases[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_host_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
