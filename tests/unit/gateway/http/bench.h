#pragma once

/*
 * bench - one client, the smallest gateway (relay.h), and an upstream whose side the test plays itself.
 */

#include "tests/unit/gateway/http/relay.h"

static UNUSED char got[1 << 20];
static UNUSED char seen[1 << 16];

struct bench {
    struct relay relay;
    int upstream; /* listening */
    int client;
};

static inline UNUSED int start_with(void **state, bool watch, int read_ms)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    int port;

    bench->upstream = raw_listen(&port);
    bench->relay.upstream = raw_loopback(port);
    bench->relay.watch = watch;
    bench->relay.connect_ms = bench->relay.write_ms = 3000;
    bench->relay.read_ms = read_ms;
    relay_start(&bench->relay, 0);
    bench->client = raw_connect(bench->relay.port);
    *state = bench;
    return 0;
}

static inline UNUSED int start(void **state)
{
    return start_with(state, false, 3000);
}

static inline UNUSED int start_watching(void **state)
{
    return start_with(state, true, 3000);
}

static inline UNUSED int start_impatient(void **state)
{
    return start_with(state, true, 100);
}

static inline UNUSED int stop(void **state)
{
    struct bench *bench = *state;

    close(bench->client);
    relay_stop(&bench->relay);
    close(bench->upstream);
    free(bench);
    return 0;
}

static inline UNUSED void ask(struct bench *bench)
{
    raw_send_text(bench->client, "GET /x HTTP/1.1\r\nHost: up\r\nX-Mine: 1\r\n\r\n");
}

/* The upstream's side of one request: its connection, the request read. */
static inline UNUSED int take_request(struct bench *bench)
{
    int fd = accept(bench->upstream, NULL, NULL);

    assert_true(fd >= 0);
    (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
    return fd;
}
