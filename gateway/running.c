/*
 * running - what the main thread does while the node serves: it waits for signals and does what is due all
 * the time; and how serving ends.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "admin/admin.h"
#include "bus/bus.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/cache/cache.h"
#include "gateway/chain/delivery.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"
#include "gateway/http/listener.h"
#include "gateway/io/loop.h"
#include "gateway/node_inside.h"
#include "gateway/proxy/proxy.h"

enum {
    TICK_MS = 100,      /* of tick() */
    WAKING_TICK_MS = 5, /* while requests wait for the node to wake up */
    DRAIN_TICK_MS = 20,
    WAKING_LIMIT_US = 250000,
    SHORTEST_NAP_US = 1000000, /* a stall of less is no sleep */
    IMMEDIATE_DRAIN_MS = 1000,
    IDLE_MS = 1000, /* a client that asks for nothing for so long is not in the middle of its work */
};

sigset_t node_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < COUNT(signals); i++)
        (void)sigaddset(&set, signals[i]);
    return set;
}

/* Has the last good poll been too long ago? */
static void look_at_staleness(struct node *node)
{
    int64_t most_ms = node->config->cluster_max_staleness;
    struct bus_stats stats = {0};
    if (most_ms > 0) /* the bus's mutex is not asked for where nobody wants to know */
        bus_read_stats(node->wiring.bus, &stats);
    proxy_set_stale(node->proxy, most_ms > 0 && stats.since_good_poll_ms > most_ms);
}

/*
 * Has the process been stopped, or its machine suspended, for longer than the pause between two polls? Then
 * requests wait until a poll has succeeded, but not for long (consistency reference, 8).
 */
static void look_at_the_clock(struct node *node)
{
    int64_t poll_us = node->config->db_update_frequency * 1000;
    int64_t longest_us = poll_us > SHORTEST_NAP_US ? poll_us : SHORTEST_NAP_US;
    int64_t now_us = loop_clock_us();
    struct bus_stats stats;
    if (now_us - node->ticked_us > longest_us) {
        log_notice("node: asleep for a while; ms=%" PRId64, (now_us - node->ticked_us) / 1000);
        metrics_add(METRIC_WAKEUPS, 1);
        node->woke_us = now_us;
        bus_wake(node->wiring.bus);
    }
    node->ticked_us = now_us;
    if (node->woke_us != 0) {
        bus_read_stats(node->wiring.bus, &stats);
        bool has_polled = stats.since_good_poll_ms * 1000 < now_us - node->woke_us;
        if (!has_polled && now_us - node->woke_us < WAKING_LIMIT_US)
            return;
    }
    node->woke_us = 0;
    proxy_set_awake(node->proxy, now_us + longest_us);
}

/* What is due all the time, until nothing runs any more. */
static void tick(struct node *node)
{
    cache_tick(node->wiring.cache);
    wiring_share_memory(&node->wiring, node->config);
    proxy_tick(node->proxy, loop_clock_us() / 1000);
    look_at_staleness(node);
    look_at_the_clock(node);
}

static void reopen_logs(struct node *node)
{
    struct err err;
    log_reopen();
    logs_reopen(&node->logs);
    delivery_reopen(node->delivery);
    if (!node->life->start->to_file)
        return;
    char *path = logs_error_path(node->config);
    if (!log_stderr_to(path, &err))
        log_warn("node: %s", err.text);
    free(path);
}

/* Ways to end; a signal each. */
static const struct farewell {
    int signal;
    bool patient;      /* shutdown_timeout and IDLE_MS hold; else it is over soon */
    bool delayed;      /* shutdown_delay comes first */
    bool last_accepts; /* nobody else listens on the sockets */
    bool status_too;   /* nobody is to hear from the Status API that this process ends */
    const char *text;
} farewells[] = {
    {.signal = SIGTERM, .text = "ending now"},
    {.signal = SIGINT, .text = "ending now"},
    {.signal = SIGQUIT,
     .patient = true,
     .delayed = true,
     .last_accepts = true,
     .text = "ending when running requests are done"},
    {.signal = SIGUSR2, .patient = true, .status_too = true, .text = "another worker goes on; ending"},
};

static const struct farewell *farewell_of(int number)
{
    for (size_t i = 0; i < COUNT(farewells); i++)
        if (farewells[i].signal == number)
            return &farewells[i];
    return NULL;
}

static void refuse_upgrade(const struct node *node)
{
    struct err err;
    if (!prefix_write(node->config->prefix, "upgrade_result",
                      "[error] there is no supervisor, which an upgrade needs\n", &err))
        log_warn("node: %s", err.text);
}

/* Until a signal says how to end, or the time has come (until_us, loop_clock_us): NULL then. */
static const struct farewell *serve(struct node *node, int64_t until_us)
{
    const sigset_t set = node_signals();
    while (loop_clock_us() < until_us) {
        const struct timespec pause = {.tv_nsec = (node->woke_us != 0 ? WAKING_TICK_MS : TICK_MS) * 1000000};
        int number = sigtimedwait(&set, NULL, &pause);
        if (number == SIGUSR2 && node->life->link == NULL)
            refuse_upgrade(node);
        else if (farewell_of(number) != NULL)
            return farewell_of(number);
        if (number == SIGHUP)
            node_reload(node);
        if (number == SIGUSR1)
            reopen_logs(node);
        tick(node);
    }
    return NULL;
}

/* ---- ending ---- */

static void note_empty(struct node *node, bool *which)
{
    pthread_mutex_lock(&node->mutex);
    *which = true;
    pthread_mutex_unlock(&node->mutex);
}

static void proxy_is_empty(void *arg)
{
    struct node *node = arg;
    note_empty(node, &node->proxy_empty);
}

static void admin_is_empty(void *arg)
{
    struct node *node = arg;
    note_empty(node, &node->admin_empty);
}

static bool is_empty(struct node *node)
{
    pthread_mutex_lock(&node->mutex);
    bool empty = node->proxy_empty && node->admin_empty;
    pthread_mutex_unlock(&node->mutex);
    return empty;
}

/* No new requests; waits until the running ones are done, at most limit_ms. SIGTERM makes it short. */
static void drain(struct node *node, const struct farewell *farewell, int64_t limit_ms)
{
    const struct timespec pause = {.tv_nsec = DRAIN_TICK_MS * 1000000};
    const sigset_t set = node_signals();
    int64_t until_us = loop_clock_us() + limit_ms * 1000;
    struct http_drain how = {
        .last_accepts = farewell->last_accepts,
        .idle_ms = farewell->patient ? IDLE_MS : 0,
        .on_empty = proxy_is_empty,
        .arg = node,
    };
    proxy_drain(node->proxy, &how);
    how.on_empty = admin_is_empty;
    admin_drain(node->admin, &how, farewell->status_too);
    while (!is_empty(node) && loop_clock_us() < until_us) {
        int number = sigtimedwait(&set, NULL, &pause);
        int64_t soon_us = loop_clock_us() + (int64_t)IMMEDIATE_DRAIN_MS * 1000;
        if ((number == SIGTERM || number == SIGINT) && soon_us < until_us)
            until_us = soon_us;
        if (number == SIGUSR1)
            reopen_logs(node);
        tick(node);
    }
    log_notice("node: %s",
               is_empty(node) ? "every request has ended" : "requests were cut off; their time is over");
}

/*
 * The order of an end: readiness fails; after shutdown_delay, when whoever asks for it has heard, connections
 * come to their end (Connection: close, GOAWAY, idle ones closed); what is left at shutdown_timeout, tunnels
 * and streams included, is cut off. The Status API answers all the time.
 */
void node_run(struct node *node)
{
    node->ticked_us = loop_clock_us();
    const struct farewell *farewell = serve(node, INT64_MAX);
    log_notice("node: %s; signal=%d", farewell->text, farewell->signal);
    if (!farewell->status_too)
        admin_leave(node->admin);
    if (farewell->delayed && node->config->shutdown_delay > 0) {
        const struct farewell *sooner = serve(node, loop_clock_us() + node->config->shutdown_delay * 1000);
        if (sooner != NULL && !sooner->patient)
            farewell = sooner;
    }
    drain(node, farewell, farewell->patient ? node->config->shutdown_timeout : IMMEDIATE_DRAIN_MS);
}
