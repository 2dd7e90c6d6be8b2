/* Sets of listening sockets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/http/listen_sockets.h"
#include "gateway/http/listener.h"

/* A port that was free a moment ago. */
static struct listen_address some_address(void)
{
    const struct listen_address any = {.host = STR("127.0.0.1")};
    struct listen_address address = any;
    struct err err;
    int fd;

    assert_true(listen_sockets_take(NULL, &any, 0, &fd, &err));
    address.port = listen_socket_port(fd);
    close(fd);
    return address;
}

/* 0, or why not; ETIMEDOUT: neither yes nor no in a while. */
static int try_to_connect(int port, int *fd)
{
    const struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int why = 0;
    socklen_t size = sizeof(why);

    *fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)connect(*fd, (const void *)&name, sizeof(name)); /* goes on in the background */
    struct pollfd waiting = {.fd = *fd, .events = POLLOUT};
    if (poll(&waiting, 1, 100) == 0)
        return ETIMEDOUT;
    assert_int_equal(getsockopt(*fd, SOL_SOCKET, SO_ERROR, &why, &size), 0);
    return why;
}

static void a_bound_address_refuses_until_it_is_taken(void **state)
{
    struct listen_sockets *sockets = listen_sockets_new();
    struct listen_address address = some_address();
    struct err err;
    int fd, client;

    (void)state;
    assert_true(listen_sockets_bind(sockets, &address, &err));
    assert_int_equal(try_to_connect(address.port, &client), ECONNREFUSED);
    close(client);
    assert_true(listen_sockets_take(sockets, &address, 0, &fd, &err));
    assert_int_equal(listen_socket_port(fd), address.port);
    assert_int_equal(try_to_connect(address.port, &client), 0);
    close(client);
    close(fd);
    listen_sockets_free(sockets);
}

static void an_address_in_use_is_noticed_when_it_is_bound(void **state)
{
    struct listen_sockets *sockets = listen_sockets_new();
    struct listen_address address = some_address();
    struct err err;
    int fd;

    (void)state;
    assert_true(listen_sockets_take(NULL, &address, 0, &fd, &err));
    assert_false(listen_sockets_bind(sockets, &address, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    close(fd);
    listen_sockets_free(sockets);
}

static void an_address_that_is_named_twice_is_no_address_for_two(void **state)
{
    struct listen_sockets *sockets = listen_sockets_new();
    struct listen_address address = some_address();
    struct err err;
    int fd;

    (void)state;
    assert_true(listen_sockets_bind(sockets, &address, &err));
    if (listen_sockets_bind(sockets, &address, &err)) { /* allowed while none listens */
        assert_true(listen_sockets_take(sockets, &address, 0, &fd, &err));
        assert_false(listen_sockets_take(sockets, &address, 0, &fd, &err));
    }
    listen_sockets_free(sockets);
}

static void adopted_sockets_are_used_again_or_closed(void **state)
{
    struct listen_sockets *sockets = listen_sockets_new();
    struct listen_address used = some_address();
    struct listen_address unused = some_address();
    struct err err;
    int fds[2], fd, client;

    (void)state;
    assert_true(listen_sockets_take(NULL, &used, 0, &fds[0], &err));
    assert_true(listen_sockets_take(NULL, &unused, 0, &fds[1], &err));
    listen_sockets_adopt(sockets, fds[0]);
    listen_sockets_adopt(sockets, fds[1]);
    assert_true(listen_sockets_bind(sockets, &used, &err));
    listen_sockets_drop_unused(sockets);
    assert_int_equal(listen_sockets_count(sockets), 1);
    assert_int_equal(listen_sockets_at(sockets, 0), fds[0]);
    assert_int_equal(try_to_connect(unused.port, &client), ECONNREFUSED);
    close(client);
    assert_true(listen_sockets_take(sockets, &used, 0, &fd, &err));
    assert_int_equal(fd, fds[0]);
    close(fd);
    listen_sockets_free(sockets);
}

static void whoever_has_come_before_a_socket_went_deaf_can_be_accepted(void **state)
{
    struct listen_address address = some_address();
    struct err err;
    int fd, early, late;

    (void)state;
    assert_true(listen_sockets_take(NULL, &address, 0, &fd, &err));
    assert_int_equal(try_to_connect(address.port, &early), 0);
    listen_socket_deafen(fd);
    assert_int_equal(try_to_connect(address.port, &late), ETIMEDOUT);
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_int_equal(accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), -1);
    close(fd);
    assert_int_equal(write(early, "x", 1), 1);
    close(accepted);
    close(early);
    close(late);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_address_refuses_until_it_is_taken),
        cmocka_unit_test(an_address_in_use_is_noticed_when_it_is_bound),
        cmocka_unit_test(an_address_that_is_named_twice_is_no_address_for_two),
        cmocka_unit_test(adopted_sockets_are_used_again_or_closed),
        cmocka_unit_test(whoever_has_come_before_a_socket_went_deaf_can_be_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
