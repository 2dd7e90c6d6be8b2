/* Facts about bytes that are written without h2o. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <h2o.h>

#include "gateway/http/at_once.h"

enum {
    LARGE = 4 * 1024 * 1024
};

struct pair {
    h2o_loop_t *loop;
    h2o_socket_t *sock;
    int other;
};

static void open_pair(struct pair *pair)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    pair->loop = h2o_evloop_create();
    pair->sock = h2o_evloop_socket_create(pair->loop, fds[0], 0);
    pair->other = fds[1];
}

static void close_pair(struct pair *pair)
{
    h2o_socket_close(pair->sock);
    (void)h2o_evloop_run(pair->loop, 0);
    h2o_evloop_destroy(pair->loop);
    (void)close(pair->other);
}

static void what_fits_is_gone_at_once(void **state)
{
    char head[] = "head", body[] = "body", got[16];
    h2o_iovec_t pieces[] = {{head, 4}, {body, 4}};
    struct pair pair;

    (void)state;
    open_pair(&pair);
    assert_int_equal(at_once_write(pair.sock, pieces, 2), 0);
    assert_int_equal(read(pair.other, got, sizeof(got)), 8);
    assert_memory_equal(got, "headbody", 8);
    pieces[0] = h2o_iovec_init(head, 4);
    assert_int_equal(at_once_write(pair.sock, pieces, 1), 0);
    assert_int_equal(read(pair.other, got, sizeof(got)), 4);
    close_pair(&pair);
}

/* Wherever the kernel stops: what is left follows what it has taken. */
static void what_does_not_fit_is_left_in_order(void **state)
{
    char *bytes = malloc(LARGE);
    char *got = malloc(LARGE);

    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 31 >> 4);
    for (size_t first = 1; first < LARGE; first = first * 7 + 1) {
        h2o_iovec_t pieces[] = {{bytes, first}, {bytes + first, LARGE - first}};
        struct pair pair;
        size_t taken = 0, left = 0;
        ssize_t count;

        open_pair(&pair);
        size_t kept = at_once_write(pair.sock, pieces, 2);
        assert_true(kept == 1 || kept == 2);
        while ((count = read(pair.other, got + taken, LARGE - taken)) > 0)
            taken += (size_t)count;
        assert_true(taken > 0);
        for (size_t i = 0; i < kept; i++) {
            assert_ptr_equal(pieces[i].base, bytes + taken + left);
            left += pieces[i].len;
        }
        assert_int_equal(taken + left, LARGE);
        assert_memory_equal(got, bytes, taken);
        close_pair(&pair);
    }
    free(bytes);
    free(got);
}

/* Then h2o tries, and reports. */
static void a_broken_connection_takes_nothing(void **state)
{
    char text[] = "text";
    h2o_iovec_t piece = {text, 4};
    struct pair pair;

    (void)state;
    open_pair(&pair);
    (void)shutdown(pair.other, SHUT_RDWR);
    assert_int_equal(at_once_write(pair.sock, &piece, 1), 1);
    assert_ptr_equal(piece.base, text);
    assert_int_equal(piece.len, 4);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_gone_at_once),
        cmocka_unit_test(what_does_not_fit_is_left_in_order),
        cmocka_unit_test(a_broken_connection_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
