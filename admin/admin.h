#pragma once

/*
 * admin - the Admin API and the Status API, on one event loop of their own.
 *
 * Threads: admin_open/close: main; the handlers run on the given loop and leave database work to store jobs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/err.h"
#include "gateway/base/uuid.h"

struct access;
struct admin;
struct buf;
struct bus;
struct cache;
struct config;
struct http_drain;
struct http_front_stats;
struct line_sink;
struct listen_sockets;
struct loop;
struct prober;
struct schemas;
struct snapshot_place;
struct cJSON;
struct store;

enum admin_place {
    ADMIN_THERE,
    ADMIN_BEHIND,
    ADMIN_ELSEWHERE, /* a position of another history */
    ADMIN_NOWHERE,   /* no position at all */
};

/* What the Admin API needs from the bus, as functions: admin may not include bus. */
struct admin_bus {
    uint64_t (*applied)(void *arg);
    void (*wake)(void *arg);                                        /* poll now */
    bool (*wait)(void *arg, uint64_t position, int64_t timeout_ms); /* blocks: store threads only */
    void (*announce)(void *arg, uint64_t position, int64_t tag, const uint8_t (*keys)[16], size_t key_count);
    void (*position_text)(void *arg, uint64_t position, char text[40]);
    /* Where is this node, seen from a position as text? Behind: it hurries. Any thread. */
    enum admin_place (*look)(void *arg, const char *text, size_t length);
    /* JSON object with the bus's figures for /status; the caller owns it */
    struct cJSON *(*describe)(void *arg);
    void (*expose)(void *arg, struct buf *out); /* the same as families for /metrics */
    bool (*is_answered)(void *arg);             /* has the last poll succeeded? */
    int64_t (*since_good_poll_ms)(void *arg);
    void *arg;
};

struct admin_options {
    const struct config *config; /* borrowed; replaced by admin_reload() */
    const struct schemas *schemas;
    struct store *store;
    struct cache *cache;
    struct digest_salt salt;
    struct snapshot_place *place;
    size_t loop_number;       /* of `loop` in the place, for pinning */
    struct prober *prober;    /* on the same loop; knows the health of peers */
    const void *plugin_world; /* for endpoints of plugins (model/schema.h) */
    struct admin_bus bus;
    struct access *access;          /* taken */
    struct loop *loop;              /* opened, not started */
    struct listen_sockets *sockets; /* as the proxy's */
    int64_t master_pid;             /* who started this process, or itself */
    struct uuid node_id;
    const char *node_name;         /* for the audit log; lives as long as the admin */
    struct line_sink *audit;       /* the audit log; NULL: there is none */
    struct line_sink *access_sink; /* the access log; NULL: there is none */
    /* Counters of the proxy's listeners for /status. */
    void (*proxy_stats)(void *arg, struct http_front_stats *stats);
    void *proxy_stats_arg;
};

bool admin_open(const struct admin_options *options, struct admin **admin, struct err *err) MUST_CHECK;
/* On the loop's thread, when it starts. */
bool admin_attach(struct admin *admin, struct err *err) MUST_CHECK;
/* Any thread: the node is about to end, so /status/ready answers 503 from now on. */
void admin_leave(struct admin *admin);
/*
 * Any thread: ends the Admin API as `drain` says (listener.h). The Status API goes on until its loop ends, so
 * that those who ask for readiness hear of it; with `status_too` it is drained as well, and on_empty waits
 * for the Admin API only.
 */
void admin_drain(struct admin *admin, const struct http_drain *drain, bool status_too);
/* Any thread: what some node has said to all through the log; words nobody knows mean nothing. */
void admin_hear(struct admin *admin, const char *word);
/* Main thread: new live settings, the level of the log included. `config` is borrowed until the next reload
 * is in force or the admin is closed. */
void admin_reload(struct admin *admin, const struct config *config);
/* Main thread: takes `access` (access.h), which is in force from the next request on. */
void admin_set_access(struct admin *admin, struct access *access);
/* After the loop has ended and the store is closed. NULL is fine. */
void admin_close(struct admin *admin);
