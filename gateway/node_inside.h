#pragma once

/*
 * node_inside - a node's parts, for the files of its life only: node.c opens and closes them, running.c
 * serves and drains, reload.c takes changed settings.
 *
 * Threads: main, except for what stands below the mutex.
 */

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/logs.h"
#include "gateway/wiring.h"

enum {
    NODE_PLUGINS_MAX = 64
};

struct node {
    const struct cli_start *start;
    struct config *config;       /* in force; live members replaced by reload */
    struct config **old_configs; /* kept until the end: parts borrow texts */
    size_t old_config_count;
    struct uuid id;
    struct wiring wiring;
    const struct plugin *plugins[NODE_PLUGINS_MAX];
    size_t plugin_count;
    struct loop **loops; /* the workers', then the Admin API's */
    size_t worker_count;
    struct snapshot_place *place;
    struct refresh *refresh;
    struct resolver *resolver;
    struct logs logs;
    struct proxy *proxy;
    struct admin *admin;
    int64_t ticked_us, woke_us; /* loop_clock_us; woke_us 0: awake */
    pthread_mutex_t mutex;      /* of what follows; changed is signalled */
    pthread_cond_t changed;
    size_t loops_started;
    bool loop_failed, proxy_empty, admin_empty;
    char failure[256];
};

/* running.c: what the main thread waits for; to be blocked before any other thread is made. */
sigset_t node_signals(void);
/* Until a signal ends it; returns how long running requests may take, in milliseconds. */
int64_t node_run(struct node *node);
/* No new requests; waits until the running ones are done, at most limit_ms. SIGTERM makes it short. */
void node_drain(struct node *node, int64_t limit_ms);

/* reload.c: reads the settings and the files they name again. All must be right, or nothing changes. */
void node_reload(struct node *node);
