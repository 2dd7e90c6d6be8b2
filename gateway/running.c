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
#include "gateway/config/config.h"
#include "gateway/http/listener.h"
#include "gateway/io/loop.h"
#include "gateway/node_inside.h"
#include "gateway/proxy/proxy.h"

enum {
    TICK_MS = 100,      /* cache_tick() */
    WAKING_TICK_MS = 5, /* while requests wait for the node to wake up */
    DRAIN_TICK_MS = 20,
    WAKING_LIMIT_US = 250000,
    SHORTEST_NAP_US = 1000000, /* a stall of less is no sleep */
    IMMEDIATE_DRAIN_MS = 1000,
};

sigset_t node_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
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
    proxy_tick(node->proxy, loop_clock_us() / 1000);
    look_at_staleness(node);
    look_at_the_clock(node);
}

static void reopen_logs(struct node *node)
{
    log_reopen();
    logs_reopen(&node->logs);
}

int64_t node_run(struct node *node)
{
    const sigset_t set = node_signals();
    node->ticked_us = loop_clock_us();
    for (;;) {
        const struct timespec pause = {.tv_nsec = (node->woke_us != 0 ? WAKING_TICK_MS : TICK_MS) * 1000000};
        int number = sigtimedwait(&set, NULL, &pause);
        switch (number) {
        case SIGTERM:
        case SIGINT:
            log_notice("node: ending now; signal=%d", number);
            return IMMEDIATE_DRAIN_MS;
        case SIGQUIT:
            log_notice("node: ending when running requests are done");
            return node->config->shutdown_timeout;
        case SIGHUP:
            node_reload(node);
            break;
        case SIGUSR1:
            reopen_logs(node);
            break;
        default:
            break;
        }
        tick(node);
    }
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

struct drain_admin {
    struct loop_message super;
    struct node *node;
};

static void drain_admin(struct loop_message *message)
{
    struct drain_admin *drain = CONTAINER_OF(message, struct drain_admin, super);
    struct node *node = drain->node;
    free(drain);
    http_front_drain(admin_front(node->admin), node->loops[node->worker_count], admin_is_empty, node);
}

static bool is_empty(struct node *node)
{
    pthread_mutex_lock(&node->mutex);
    bool empty = node->proxy_empty && node->admin_empty;
    pthread_mutex_unlock(&node->mutex);
    return empty;
}

void node_drain(struct node *node, int64_t limit_ms)
{
    const struct timespec pause = {.tv_nsec = DRAIN_TICK_MS * 1000000};
    const sigset_t set = node_signals();
    int64_t until_us = loop_clock_us() + limit_ms * 1000;
    struct drain_admin *message = mem_zalloc(sizeof(*message));
    message->super.run = drain_admin;
    message->node = node;
    proxy_drain(node->proxy, proxy_is_empty, node);
    loop_post(node->loops[node->worker_count], &message->super);
    while (!is_empty(node) && loop_clock_us() < until_us) {
        int number = sigtimedwait(&set, NULL, &pause);
        int64_t soon_us = loop_clock_us() + (int64_t)IMMEDIATE_DRAIN_MS * 1000;
        if ((number == SIGTERM || number == SIGINT) && soon_us < until_us)
            until_us = soon_us;
        if (number == SIGUSR1)
            reopen_logs(node);
        tick(node);
    }
    log_notice("node: %s", is_empty(node) ? "every request has ended"
                                          : "requests were cut off; shutdown_timeout is over");
}
