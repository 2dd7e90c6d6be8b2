/* What somebody hears who has started a process with NOTIFY_SOCKET. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gateway/notify.h"

/* The observer; its socket's name goes into the environment. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

/* "": nothing has come. */
static const char *heard(int fd)
{
    static char text[1024];
    ssize_t length = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

/* The process in it keeps tests that run beside each other apart. */
static void name_socket(char name[64], const char *before)
{
    (void)snprintf(name, 64, "%s%d", before, (int)getpid());
}

static void try_all(const char *name)
{
    char expected[128];
    int fd = listen_at(name);
    struct notify *notify = notify_open();

    assert_non_null(notify);
    notify_ready(notify, "serving; worker %d", 7);
    (void)snprintf(expected, sizeof(expected), "READY=1\nMAINPID=%d\nSTATUS=serving; worker 7",
                   (int)getpid());
    assert_string_equal(heard(fd), expected);
    notify_status(notify, "a line\nREADY=%d", 0);
    assert_string_equal(heard(fd), "STATUS=a line READY=0");
    notify_stopping(notify, "ending");
    assert_string_equal(heard(fd), "STOPPING=1\nSTATUS=ending");
    assert_string_equal(heard(fd), "");
    notify_close(notify);
    close(fd);
}

static void a_socket_is_a_path_or_a_name_of_the_kernels(void **state)
{
    char name[64];

    (void)state;
    name_socket(name, "@freshet-test-notify-");
    try_all(name);
    name_socket(name, "/tmp/freshet-test-notify-");
    try_all(name);
    (void)unlink(name);
}

static void a_reload_has_the_time_it_began(void **state)
{
    char name[64];
    struct timespec before, after;
    int64_t said_us = 0;

    (void)state;
    name_socket(name, "@freshet-test-notify-");
    int fd = listen_at(name);
    struct notify *notify = notify_open();
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    notify_reloading(notify, "reloading");
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(sscanf(heard(fd), "RELOADING=1\nMONOTONIC_USEC=%" SCNd64 "\nSTATUS=reloading", &said_us),
                     1);
    assert_true(said_us >= (int64_t)before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true(said_us <= (int64_t)after.tv_sec * 1000000 + after.tv_nsec / 1000);
    notify_close(notify);
    close(fd);
}

static void a_sign_of_life_comes_twice_in_the_time_that_is_allowed(void **state)
{
    char name[64];
    int signs = 0;

    (void)state;
    name_socket(name, "@freshet-test-notify-");
    int fd = listen_at(name);
    (void)setenv("WATCHDOG_USEC", "4000000", 1);
    struct notify *notify = notify_open();
    assert_int_equal(notify_watchdog_ms(notify), 2000);
    for (int64_t now_ms = 10000; now_ms < 20000; now_ms += 500) {
        notify_alive(notify, now_ms);
        signs += strcmp(heard(fd), "WATCHDOG=1") == 0;
    }
    assert_int_equal(signs, 5);
    notify_close(notify);
    close(fd);
}

static void a_watchdog_of_somebody_else_is_not_fed(void **state)
{
    char name[64];

    (void)state;
    name_socket(name, "@freshet-test-notify-");
    int fd = listen_at(name);
    (void)setenv("WATCHDOG_USEC", "4000000", 1);
    (void)setenv("WATCHDOG_PID", "1", 1);
    struct notify *notify = notify_open();
    assert_int_equal(notify_watchdog_ms(notify), 0);
    notify_alive(notify, 10000);
    assert_string_equal(heard(fd), "");
    notify_close(notify);
    name_socket(name, "");
    (void)setenv("WATCHDOG_PID", name, 1);
    notify = notify_open();
    assert_int_equal(notify_watchdog_ms(notify), 2000);
    notify_close(notify);
    close(fd);
}

static void without_somebody_nothing_is_said(void **state)
{
    static const char *const odd[] = {"", "relative", "vsock:2:1"};
    char longer[200];

    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    assert_null(notify_open());
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        (void)setenv("NOTIFY_SOCKET", odd[i], 1);
        assert_null(notify_open());
    }
    memset(longer, '/', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    (void)setenv("NOTIFY_SOCKET", longer, 1);
    assert_null(notify_open());
    notify_ready(NULL, "serving");
    notify_reloading(NULL, "");
    notify_stopping(NULL, "");
    notify_status(NULL, "%d", 1);
    notify_alive(NULL, 1);
    notify_close(NULL);
}

/* Nobody listens, or nobody reads: the process does not wait. */
static void an_observer_that_does_not_read_stops_nobody(void **state)
{
    char name[64];

    (void)state;
    name_socket(name, "@freshet-test-notify-");
    int fd = listen_at(name);
    struct notify *notify = notify_open();
    for (int i = 0; i < 10000; i++)
        notify_status(notify, "%d", i);
    close(fd);
    notify_status(notify, "gone");
    notify_close(notify);
}

static int forget(void **state)
{
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    return unsetenv("WATCHDOG_PID");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, forget, forget)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_socket_is_a_path_or_a_name_of_the_kernels),
        TEST(a_reload_has_the_time_it_began),
        TEST(a_sign_of_life_comes_twice_in_the_time_that_is_allowed),
        TEST(a_watchdog_of_somebody_else_is_not_fed),
        TEST(without_somebody_nothing_is_said),
        TEST(an_observer_that_does_not_read_stops_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
