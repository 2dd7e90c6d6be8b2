/*
 * probe_head: the request of a probe.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/probe_head.h"

static void expect(const struct upstream *upstream, const char *text)
{
    struct buf head = {0};

    probe_head_write(upstream, STR("target.test"), &head);
    assert_string_equal(head.at, text);
    buf_fini(&head);
}

static void the_host_is_the_targets_or_the_upstreams(void **state)
{
    char path[] = "/status?a=1";
    char host[] = "inner.test:81";
    struct upstream upstream = {.probe.path = path};

    (void)state;
    expect(&upstream, "GET /status?a=1 HTTP/1.0\r\nHost: target.test\r\nConnection: close\r\n\r\n");
    upstream.host_header = host;
    expect(&upstream, "GET /status?a=1 HTTP/1.0\r\nHost: inner.test:81\r\nConnection: close\r\n\r\n");
}

/* Names and values as the settings own them. */
static char first[] = "1", second[] = "2 3", own[] = "own.test", evil[] = "v\r\nx-evil: 1\x7f";
static char *both[] = {first, second}, *owns[] = {own}, *evils[] = {evil};
static char name[] = "X-A", host_name[] = "hOst", evil_name[] = "X-A\r\n:b";

static void headers_have_all_their_values_and_a_host_replaces_ours(void **state)
{
    char path[] = "/";
    struct route_header headers[] = {{.name = name, .values = {both, 2}},
                                     {.name = host_name, .values = {owns, 1}}};
    struct upstream upstream = {.probe = {.path = path, .headers = headers, .header_count = 1}};

    (void)state;
    expect(&upstream,
           "GET / HTTP/1.0\r\nHost: target.test\r\nX-A: 1\r\nX-A: 2 3\r\nConnection: close\r\n\r\n");
    upstream.probe.header_count = 2;
    expect(&upstream, "GET / HTTP/1.0\r\nX-A: 1\r\nX-A: 2 3\r\nhOst: own.test\r\nConnection: close\r\n\r\n");
}

static void nothing_begins_another_line(void **state)
{
    char path[] = "/a b\r\nX: 1";
    struct route_header headers[] = {{.name = evil_name, .values = {evils, 1}}};
    struct upstream upstream = {.probe = {.path = path, .headers = headers, .header_count = 1}};

    (void)state;
    expect(&upstream, "GET /abX:1 HTTP/1.0\r\nHost: target.test\r\nX-A:b: vx-evil: 1\r\n"
                      "Connection: close\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_is_the_targets_or_the_upstreams),
        cmocka_unit_test(headers_have_all_their_values_and_a_host_replaces_ours),
        cmocka_unit_test(nothing_begins_another_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
