/*
 * A server that confirms the subscription, answers every PING, takes every PUBLISH, and delivers nothing:
 * only the message that does not come back shows it.
 */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/channel.h"

enum {
    PEERS_MAX = 16,
    PATIENCE_MS = 20000
};

struct server {
    char path[64];
    int listener;
    atomic_bool stopping;
    pthread_t thread;
};

static atomic_int losses, rings;

static void answer(int peer, const char *command, bool *subscribed)
{
    char text[512];
    const char *name = strstr(command, "test:{");

    if (strstr(command, "PUBLISH") != NULL) {
        (void)snprintf(text, sizeof(text), ":0\r\n");
    } else if (strstr(command, "SUBSCRIBE") != NULL && name != NULL) {
        *subscribed = true;
        (void)snprintf(text, sizeof(text), "*3\r\n$9\r\nsubscribe\r\n$39\r\n%.39s\r\n:1\r\n", name);
    } else if (strstr(command, "PING") != NULL) {
        (void)snprintf(text, sizeof(text), *subscribed ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
    } else {
        (void)snprintf(text, sizeof(text), "+OK\r\n");
    }
    assert_true(write(peer, text, strlen(text)) > 0);
}

static void *serve(void *arg)
{
    struct server *server = arg;
    struct pollfd peers[PEERS_MAX + 1] = {{.fd = server->listener, .events = POLLIN}};
    bool subscribed[PEERS_MAX + 1] = {false};
    nfds_t count = 1;

    while (!atomic_load(&server->stopping)) {
        (void)poll(peers, count, 20);
        if ((peers[0].revents & POLLIN) != 0 && count <= PEERS_MAX) {
            peers[count] = (struct pollfd){.fd = accept(server->listener, NULL, NULL), .events = POLLIN};
            subscribed[count++] = false;
        }
        for (nfds_t i = 1; i < count; i++) {
            char command[16384];
            ssize_t size =
                (peers[i].revents & POLLIN) != 0 ? read(peers[i].fd, command, sizeof(command) - 1) : -1;
            if (size == 0)
                peers[i].events = 0;
            if (size <= 0)
                continue;
            for (ssize_t at = 0; at < size; at++)
                command[at] = command[at] == '\0' ? '.' : command[at];
            command[size] = '\0';
            answer(peers[i].fd, command, &subscribed[i]);
        }
    }
    for (nfds_t i = 1; i < count; i++)
        (void)close(peers[i].fd);
    return NULL;
}

static void start(struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(server->path, sizeof(server->path), "/tmp/freshet-deaf-%d", (int)getpid());
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
    (void)unlink(server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    atomic_store(&server->stopping, true);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    (void)unlink(server->path);
}

static void on_hint(void *arg, const struct hint *hint)
{
    (void)arg;
    (void)hint;
}

static void on_ring(void *arg)
{
    (void)arg;
    atomic_fetch_add(&rings, 1);
}

static bool has_heard(void *arg, uint64_t position)
{
    (void)arg;
    (void)position;
    return true;
}

static void on_log(void *arg, enum bus_log_level level, const char *text)
{
    (void)arg;
    (void)level;
    if (strstr(text, "does not come back") != NULL)
        atomic_fetch_add(&losses, 1);
}

static bool within(atomic_int *count, int wanted)
{
    const struct timespec step = {.tv_nsec = 10000000};

    for (int ms = 0; ms < PATIENCE_MS && atomic_load(count) < wanted; ms += 10)
        (void)nanosleep(&step, NULL);
    return atomic_load(count) >= wanted;
}

static void a_subscription_that_is_dead_is_given_up(void **state)
{
    struct server server = {0};
    struct pg_options none = {0};
    struct channel_options options = {.primary = &none,
                                      .node_id = {1, 2, 3, 4},
                                      .on_hint = on_hint,
                                      .on_ring = on_ring,
                                      .has_heard = has_heard,
                                      .log = on_log};
    struct bus_live live = {.poll_ms = 1000, .channel = BUS_CHANNEL_REDIS};
    struct channel *channel = NULL;
    struct bus_err err;

    (void)state;
    start(&server);
    live.redis = (struct bus_redis){.host = server.path, .timeout_ms = 2000, .channel = "test"};
    assert_true(channel_open(&options, &channel, &err));
    channel_configure(channel, &live);
    assert_true(within(&rings, 1));
    assert_int_equal(atomic_load(&losses), 0);
    channel_tell(channel, 1, 1, NULL, 0);
    assert_true(within(&losses, 1));
    assert_true(within(&rings, 2)); /* a new line: something may have been missed */
    channel_close(channel);
    stop(&server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscription_that_is_dead_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
