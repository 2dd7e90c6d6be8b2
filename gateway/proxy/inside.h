#pragma once

/*
 * inside - what the files of a running proxy know in common. For this folder only.
 *
 * Threads: a proxy_loop belongs to its loop; a proxy is made on main and read by all.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/random.h"
#include "gateway/chain/chain.h"
#include "gateway/http/client.h"
#include "gateway/http/listener.h"
#include "gateway/io/loop.h"

struct access_log;
struct balance;
struct balance_loop;
struct bus;
struct line_sink;
struct prober;
struct proxy;
struct settings;
struct tls_settings;

struct proxy_loop {
    struct proxy *proxy;
    struct loop *loop;
    size_t number;                   /* in the snapshot place */
    struct client_pool *pool;        /* NULL: not attached */
    struct redis_pool *redis;        /* NULL: not attached */
    struct synced_teller *teller;    /* NULL: not attached */
    struct access_log *access;       /* NULL: not attached */
    const struct settings *settings; /* replaced by a message */
    struct random_sequence ids[2];   /* of request ids: both halves */
    struct balance_loop *balance;    /* NULL: not attached */
    struct random_sequence choices;  /* among peers */
    size_t turn;                     /* which of several addresses the next request begins with */
    int64_t complained_ms;           /* when a failed upstream was last logged */
    uint64_t untold;                 /* failures since then */
    struct loop_end end;
};

struct proxy {
    struct chain_world world;
    struct synced_counters *synced; /* of all loops */
    struct snapshot_place *place;
    struct bus *bus;
    struct resolver *resolver;
    struct balance *balance;
    struct line_sink *access_sink; /* NULL: no access log */
    struct prober *prober;         /* NULL: nobody is probed */
    int64_t swept_ms;              /* thread: main */
    struct http_front *front;
    struct tls_settings *tls;
    struct proxy_loop *loops;
    size_t loop_count;
    struct client_pool_options pool_options; /* at the start */
    struct settings *all_settings;           /* thread: main. Kept until the end: requests borrow them */
    atomic_bool refusing;                    /* stale for too long, and told to say so rather than serve */
    _Atomic int64_t awake_until_us;          /* proxy_set_awake() */
    atomic_size_t undrained;                 /* loops that still have a connection */
    struct http_drain drain;                 /* set before loops are told of it */
};

/* The one whose thread this is. */
struct proxy_loop *proxy_loop_of(struct proxy *proxy, const struct loop *loop);
