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

struct cli_start;
struct delivery;
struct listen_sockets;
struct supervisor_link;

enum {
    NODE_PLUGINS_MAX = 64
};

/* What whoever runs a node gives it. */
struct node_life {
    const struct cli_start *start;  /* its members but `file`, `prefix` and `to_file` are not the node's */
    struct config *config;          /* taken */
    struct listen_sockets *sockets; /* taken; the node's addresses, bound */
    const uint8_t *ticket_secret;   /* of TLS sessions: the same in all processes of a node (tls_tickets.h) */
    const struct supervisor_link *link;          /* NULL: there is no supervisor */
    void (*ready)(void *arg, const char *error); /* as in cli_start */
    void *arg;
};

struct node {
    const struct node_life *life;
    struct config *config;       /* in force; live members replaced by reload */
    struct config **old_configs; /* kept until the end: parts borrow texts */
    size_t old_config_count;
    struct listen_sockets *sockets; /* those that no part has taken yet */
    struct uuid id;
    struct wiring wiring;
    const struct plugin *plugins[NODE_PLUGINS_MAX];
    size_t plugin_count;
    struct loop **loops; /* the workers', then the Admin API's */
    size_t worker_count;
    struct snapshot_place *place;
    struct refresh *refresh;
    struct cluster_counters *cluster;
    struct resolver *resolver;
    struct logs logs;
    struct delivery *delivery;
    struct proxy *proxy;
    struct admin *admin;
    int64_t ticked_us, woke_us; /* loop_clock_us; woke_us 0: awake */
    pthread_mutex_t mutex;      /* of what follows; changed is signalled */
    pthread_cond_t changed;
    size_t loops_started;
    bool loop_failed, proxy_empty, admin_empty;
    char failure[256];
};

/* node.c: opens the parts, serves until a signal says otherwise, closes them. Returns the exit status. */
int node_live(const struct node_life *life);

/* running.c: what the main thread waits for; to be blocked before any other thread is made. */
sigset_t node_signals(void);
/* Serves until a signal ends it and what runs has ended, too. */
void node_run(struct node *node);

/* reload.c: reads the settings and the files they name again. All must be right, or nothing changes. */
void node_reload(struct node *node);
