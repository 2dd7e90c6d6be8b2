/*
 * Version 2 of the PROXY protocol: what names a peer, what names none, and what is refused.
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
        state = proxy_line_read((struct str){copy, length}, &wanted, peer);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_however_they_arrive),
        cmocka_unit_test(the_peer_is_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
