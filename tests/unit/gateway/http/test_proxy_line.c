/*
 * The PROXY protocol: what names a peer, what names none, and what is refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/http/proxy_line.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR      "\x09\x08\x07\x06\x7f\0\0\x01\x12\x34\0\x50"
#define SIX                                                                                                  \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                             \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\0\x50"
#define ROW(literal, state, family)                                                                          \
    {                                                                                                        \
        {literal, sizeof(literal) - 1}, state, family                                                        \
    }

static const struct {
    struct str bytes;
    enum proxy_line_state state;
    int family;
} rows[] = {
    ROW(SIGNATURE "\x21\x11\0\x0c" FOUR, PROXY_LINE_READ, AF_INET),
    ROW(SIGNATURE "\x21\x11\0\x0f" FOUR "\x04\0\0", PROXY_LINE_READ, AF_INET),
    ROW(SIGNATURE "\x21\x21\0\x24" SIX, PROXY_LINE_READ, AF_INET6),
    ROW(SIGNATURE "\x20\0\0\0", PROXY_LINE_READ, AF_UNSPEC),
    ROW(SIGNATURE "\x20\x11\0\x0c" FOUR, PROXY_LINE_READ, AF_UNSPEC), /* LOCAL: the addresses mean nothing */
    ROW(SIGNATURE "\x20\x11\0\x01x", PROXY_LINE_READ, AF_UNSPEC),
    ROW(SIGNATURE "\x21\0\0\x03xyz", PROXY_LINE_READ, AF_UNSPEC),
    ROW(SIGNATURE "\x21\x12\0\x0c" FOUR, PROXY_LINE_READ, AF_UNSPEC), /* a datagram's */
    ROW(SIGNATURE "\x21\x11\0\x0b" FOUR, PROXY_LINE_BAD, 0),
    ROW(SIGNATURE "\x21\x21\0\x23" SIX, PROXY_LINE_BAD, 0),
    ROW(SIGNATURE "\x11\x11\0\x0c" FOUR, PROXY_LINE_BAD, 0), /* no version 2 */
    ROW(SIGNATURE "\x22\x11\0\x0c" FOUR, PROXY_LINE_BAD, 0), /* no command of it */
    ROW(SIGNATURE "\x21\x11\x08\0", PROXY_LINE_BAD, 0),      /* longer than anybody needs */
    ROW("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" FOUR, PROXY_LINE_BAD, 0),
    ROW("\r\n\r\nGET / HTTP", PROXY_LINE_BAD, 0),
};

/* As the reader gives them: never more than was asked for, and each byte in memory of its own. */
static enum proxy_line_state feed(struct str bytes, size_t step, struct sockaddr_storage *peer)
{
    size_t wanted = 16;
    size_t length = 0;
    enum proxy_line_state state = PROXY_LINE_MORE;

    while (state == PROXY_LINE_MORE && length < bytes.len) {
        size_t before = length;
        length = length + step < wanted ? length + step : wanted;
        length = length < bytes.len ? length : bytes.len;
        assert_true(length > before);
        char *copy = mem_dup(bytes.at, length);
        state = proxy_line_read_binary((struct str){copy, length}, &wanted, peer);
        free(copy);
        assert_in_range(wanted, 16, PROXY_LINE_MAX);
    }
    if (state == PROXY_LINE_READ)
        assert_int_equal(length, wanted);
    return state;
}

static void headers_are_read_however_they_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step < 64; step++) {
            struct sockaddr_storage peer = {.ss_family = 99};
            assert_int_equal(feed(rows[i].bytes, step, &peer), rows[i].state);
            assert_int_equal(peer.ss_family, rows[i].state == PROXY_LINE_READ ? rows[i].family : 99);
        }
    }
}

static void the_peer_is_the_source(void **state)
{
    (void)state;
    struct sockaddr_storage peer;
    const struct sockaddr_in *four = (const void *)&peer;
    const struct sockaddr_in6 *six = (const void *)&peer;
    char text[INET6_ADDRSTRLEN];

    assert_int_equal(feed(rows[0].bytes, 64, &peer), PROXY_LINE_READ);
    assert_string_equal(inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text)), "9.8.7.6");
    assert_int_equal(ntohs(four->sin_port), 0x1234);
    assert_int_equal(feed(rows[2].bytes, 64, &peer), PROXY_LINE_READ);
    assert_string_equal(inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text)), "2001:db8::7");
    assert_int_equal(ntohs(six->sin6_port), 0x1234);
}

static const struct {
    const char *line;
    enum proxy_line_state state;
    int family;
} texts[] = {
    {"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80\r\n", PROXY_LINE_READ, AF_INET},
    {"PROXY TCP6 2001:db8::7 ::1 4660 80\r\n", PROXY_LINE_READ, AF_INET6},
    {"PROXY UNKNOWN\r\n", PROXY_LINE_READ, AF_UNSPEC},
    {"PROXY UNKNOWN ffff::1 whatever it says\r\n", PROXY_LINE_READ, AF_UNSPEC},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80", PROXY_LINE_MORE, 0},
    {"P", PROXY_LINE_MORE, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 4660\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80 90\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80 \r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4  9.8.7.6 127.0.0.1 4660 80\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 65536 80\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 -1 80\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 127.0.0.1 1 +8\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 9.8.7.6 x 1 8\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP4 ::1 ::1 1 8\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP6 9.8.7.6 ::1 1 8\r\n", PROXY_LINE_BAD, 0},
    {"PROXY TCP6 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ::1 1 8\r\n", PROXY_LINE_BAD, 0},
    {"PROXY UDP4 9.8.7.6 127.0.0.1 1 8\r\n", PROXY_LINE_BAD, 0},
    {"proxy TCP4 9.8.7.6 127.0.0.1 1 8\r\n", PROXY_LINE_BAD, 0},
    {"PROXYTCP4\r\n", PROXY_LINE_BAD, 0},
    {"POST / HTTP/1.1\r\n", PROXY_LINE_BAD, 0},
    {"\n", PROXY_LINE_BAD, 0},
    {"\r\n", PROXY_LINE_BAD, 0},
};

static void lines_of_text_are_read_strictly(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct sockaddr_storage peer = {.ss_family = 99};
        char *copy = mem_dup(texts[i].line, strlen(texts[i].line));
        enum proxy_line_state got = proxy_line_read_text((struct str){copy, strlen(texts[i].line)}, &peer);
        free(copy);
        if (got != texts[i].state)
            fail_msg("%s: %d", texts[i].line, (int)got);
        assert_int_equal(peer.ss_family, got == PROXY_LINE_READ ? texts[i].family : 99);
    }
}

static void a_line_without_end_is_not_waited_for(void **state)
{
    (void)state;
    char wide[107];
    struct sockaddr_storage peer;
    memset(wide, 'x', sizeof(wide));
    assert_int_equal(proxy_line_read_text((struct str){wide, sizeof(wide) - 1}, &peer), PROXY_LINE_MORE);
    assert_int_equal(proxy_line_read_text((struct str){wide, sizeof(wide)}, &peer), PROXY_LINE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_however_they_arrive),
        cmocka_unit_test(the_peer_is_the_source),
        cmocka_unit_test(lines_of_text_are_read_strictly),
        cmocka_unit_test(a_line_without_end_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
