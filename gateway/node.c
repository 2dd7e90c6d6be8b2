/*
 * node - the only file that knows every part. It opens them from the bottom up and closes them in reverse;
 * serve.c gives it a process, running.c and reload.c lead what it has opened:
 *
 *     log, schemas, plugins      what is constant
 *     loops                      opened, not running: their numbers are needed by the snapshot place
 *     place, cache, refresh      what the bus feeds
 *     bus                        first resync: from here on this node knows the configuration
 *     store, resolver, logs      what requests need
 *     delivery                   what loggers tell goes out
 *     proxy, admin               listeners
 *     loop threads               from here on it serves
 *
 * The parts do not know each other: cache, store and bus meet in the small functions below that translate
 * between them.
 */

#include "gateway/node.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/access.h"
#include "admin/admin.h"
#include "bus/bus.h"
#include "gateway/base/clock.h"
#include "gateway/base/cpus.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/random.h"
#include "gateway/beating.h"
#include "gateway/cache/cache.h"
#include "gateway/chain/answer_cache.h"
#include "gateway/chain/cluster_counters.h"
#include "gateway/chain/delivery.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/database.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"
#include "gateway/dns/resolver.h"
#include "gateway/http/listen_sockets.h"
#include "gateway/http/listener.h"
#include "gateway/io/loop.h"
#include "gateway/node_inside.h"
#include "gateway/plugin_schemas/plugin_schemas.h"
#include "gateway/plugins/registry.h"
#include "gateway/proxy/prober.h"
#include "gateway/proxy/proxy.h"
#include "gateway/proxy/refresh.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/store/store.h"
#include "gateway/supervisor.h"
#include "gateway/wiring.h"

enum {
    POLL_DEADLINE_MS = 2000,     /* P of the consistency reference */
    DELIVERY_PATIENCE_MS = 3000, /* for what loggers have left to tell at the end */
    WORKERS_MAX = 256,
};

static void proxy_stats_for_admin(void *arg, struct http_front_stats *stats)
{
    const struct node *node = arg;
    http_front_read_stats(proxy_front(node->proxy), stats);
}

/* ---- opening, in order; each returns false with err set ---- */

static bool open_identity(struct node *node, struct err *err)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* fewer connections then */
    }
    return prefix_node_id(node->config->prefix, node->config->node_id, &node->id, err);
}

static bool open_log(struct node *node, struct err *err)
{
    const struct config *config = node->config;
    enum log_level level;
    if (!log_level_of(config->log_level, &level))
        return err_set(err, ERR_INVALID, "log_level '%s'", config->log_level);
    char *path = node->life->start->to_file ? logs_error_path(config) : NULL;
    logs_set_format(config);
    bool ok = log_open(path, level, err);
    free(path);
    for (size_t i = 0; ok && i < config->warnings.count; i++) {
        char *text = config_problem_text(&config->warnings.at[i]);
        log_warn("settings: %s", text);
        free(text);
    }
    return ok;
}

static size_t enabled_plugins(const struct config *config, const struct plugin *plugins[NODE_PLUGINS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < registry_count() && count < NODE_PLUGINS_MAX; i++)
        if (config_enables_plugin(config, registry_at(i)->schema.name))
            plugins[count++] = registry_at(i);
    return count;
}

struct schemas *node_schemas(const struct config *config)
{
    const struct plugin *plugins[NODE_PLUGINS_MAX];
    size_t count = enabled_plugins(config, plugins);
    struct schemas *schemas = schemas_new();
    schemas_add_core(schemas);
    registry_add_schemas(schemas, plugins, count);
    for (size_t i = 0; i < plugin_schemas_count(); i++)
        if (config_enables_plugin(config, plugin_schemas_at(i)->name))
            schemas_add_idle_plugin(schemas, plugin_schemas_at(i));
    return schemas;
}

static bool open_schemas(struct node *node, struct err *err)
{
    (void)err;
    node->plugin_count = enabled_plugins(node->config, node->plugins);
    node->wiring.plugins = node->plugins;
    node->wiring.plugin_count = node->plugin_count;
    node->wiring.schemas = node_schemas(node->config);
    wiring_warn_of_idle_plugins(node->config);
    return true;
}

static bool open_loops(struct node *node, struct err *err)
{
    int64_t workers;
    if (!str_to_int(str_of(node->config->nginx_worker_processes), &workers))
        workers = cpus_usable();
    node->worker_count = (size_t)(workers < 1 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers);
    node->loops = mem_zalloc((node->worker_count + 1) * sizeof(struct loop *));
    for (size_t i = 0; i <= node->worker_count; i++) {
        char name[16];
        if (i < node->worker_count)
            snprintf(name, sizeof(name), "worker-%u", (unsigned)i % 1000);
        else
            snprintf(name, sizeof(name), "admin");
        if (!loop_open(name, &node->loops[i], err))
            return false;
    }
    return true;
}

static bool open_data(struct node *node, struct err *err)
{
    (void)err;
    node->place = snapshot_place_new(node->loops, node->worker_count + 1);
    const struct cache_options cache = wiring_cache_options(&node->wiring, node->config);
    cache_open(&cache, &node->wiring.cache);
    node->wiring.answers = answer_cache_new(cache.max_bytes, cache.clock);
    const struct refresh_options refresh = {
        .cache = node->wiring.cache,
        .schemas = node->wiring.schemas,
        .place = node->place,
        .plugins = node->plugins,
        .plugin_count = node->plugin_count,
        .on_word = wiring_hear,
        .on_restart = wiring_restarted,
        .arg = &node->wiring,
    };
    node->refresh = refresh_new(&refresh);
    return true;
}

static bool open_bus(struct node *node, struct err *err)
{
    const struct config *config = node->config;
    struct bus_options options = {
        .node_name = wiring_node_name(&node->wiring, config),
        .version = FRESHET_VERSION,
        .poll_deadline_ms = POLL_DEADLINE_MS,
        .retention_ms = config->cluster_log_retention,
        .lease_ms = config->cluster_lease,
        .scrub_ms = config->cluster_scrub_interval,
        .live = wiring_bus_live(config),
        .subscriber = refresh_subscriber(node->refresh),
    };
    wiring_bus_callbacks(&node->wiring, &options);
    database_options(config, false, &options.primary);
    memcpy(options.node_id, node->id.bytes, sizeof(options.node_id));
    random_bytes(options.boot_id, sizeof(options.boot_id));
    struct bus_err bus_err = {0};
    struct bus *bus = NULL;
    if (!bus_open(&options, &bus, &bus_err))
        return err_set(err, ERR_UNAVAILABLE, "the configuration cannot be read: %s", bus_err.text);
    atomic_store_explicit(&node->wiring.bus, bus, memory_order_release);
    return true;
}

static bool open_store(struct node *node, struct err *err)
{
    const struct config *config = node->config;
    struct store_options options = {
        .schemas = node->wiring.schemas,
        .node_id = node->id,
        .commits_together = true,
        .statement_timeout_ms = config->pg_timeout,
        .append_timeout_ms = config->cluster_append_timeout,
        .replica_without_log = strcmp(config->replica_gate, "delay") == 0,
    };
    uint8_t history[16];
    database_options(config, false, &options.primary);
    database_options(config, true, &options.replica);
    bus_identity(node->wiring.bus, options.salt.bytes, history);
    if (!store_open(&options, &node->wiring.store, err))
        return false;
    node->cluster = wiring_cluster_counters(node->wiring.store);
    return true;
}

static int seconds_of(int64_t milliseconds)
{
    return milliseconds == CONFIG_UNSET ? 0 : (int)((milliseconds + 999) / 1000);
}

static bool open_resolver(struct node *node, struct err *err)
{
    const struct config *config = node->config;
    struct buf order = {0};

    for (size_t i = 0; i < config->dns_order.count; i++)
        buf_printf(&order, "%s%s", i > 0 ? "," : "", config->dns_order.at[i]);
    const struct resolver_options options = {
        .servers = config->dns_resolver,
        .hosts_file = config->dns_hostsfile,
        .order = buf_str(&order).at,
        .valid_ttl_s = seconds_of(config->dns_valid_ttl),
        .stale_ttl_s = seconds_of(config->dns_stale_ttl),
        .not_found_ttl_s = seconds_of(config->dns_not_found_ttl),
        .error_ttl_s = seconds_of(config->dns_error_ttl),
        .cache_size = (int)config->dns_cache_size,
    };
    bool ok = resolver_open(&options, &node->resolver, err);
    buf_fini(&order);
    return ok;
}

static bool open_line_sinks(struct node *node, struct err *err)
{
    return logs_open(&node->logs, node->config, node->life->start->to_file, err);
}

static bool open_delivery(struct node *node, struct err *err)
{
    const struct delivery_means means = {.resolver = node->resolver,
                                         .log_socket = node->config->syslog_socket};

    if (!delivery_open(&node->delivery, err))
        return false;
    delivery_equip(node->delivery, &means);
    return true;
}

static bool open_proxy(struct node *node, struct err *err)
{
    struct proxy_options options = {
        .config = node->config,
        .world = {.cache = node->wiring.cache,
                  .schemas = node->wiring.schemas,
                  .clock = clock_system(),
                  .answers = node->wiring.answers,
                  .cluster = node->cluster,
                  .delivery = node->delivery},
        .place = node->place,
        .bus = node->wiring.bus,
        .resolver = node->resolver,
        .access_sink = node->logs.sinks[LOGS_PROXY_ACCESS],
        .loops = node->loops,
        .loop_count = node->worker_count,
        .sockets = node->sockets,
        .ticket_secret = node->life->ticket_secret,
        .prober_loop = node->loops[node->worker_count],
    };
    uint8_t history[16];
    bus_identity(node->wiring.bus, options.world.salt.bytes, history);
    uuid_format(&node->id, options.world.node_id);
    if (gethostname(options.world.host_name, sizeof(options.world.host_name) - 1) != 0)
        options.world.host_name[0] = '\0';
    if (!proxy_open(&options, &node->proxy, err))
        return false;
    atomic_store_explicit(&node->wiring.prober, proxy_prober(node->proxy),
                          memory_order_release); /* wiring_hear() */
    atomic_store_explicit(&node->wiring.world, proxy_world(node->proxy), memory_order_release); /* likewise */
    return true;
}

bool node_check(const struct config *config, struct config_problems *problems)
{
    struct access *access = NULL;
    bool ok = access_load(config, &access, problems);
    access_unref(access);
    return proxy_check(config, problems) && ok;
}

static bool open_admin(struct node *node, struct err *err)
{
    struct access *access = NULL;
    if (!access_open(node->config, &access, err))
        return false;
    struct admin_options options = {
        .config = node->config,
        .schemas = node->wiring.schemas,
        .store = node->wiring.store,
        .cache = node->wiring.cache,
        .place = node->place,
        .loop_number = node->worker_count,
        .prober = proxy_prober(node->proxy),
        .plugin_world = proxy_world(node->proxy),
        .bus = wiring_admin_bus(node->wiring.bus),
        .access = access,
        .loop = node->loops[node->worker_count],
        .sockets = node->sockets,
        .master_pid = node->life->link != NULL ? node->life->link->supervisor : getpid(),
        .node_id = node->id,
        .node_name = wiring_node_name(&node->wiring, node->config),
        .audit = node->logs.sinks[LOGS_AUDIT],
        .access_sink = node->logs.sinks[LOGS_ADMIN_ACCESS],
        .proxy_stats = proxy_stats_for_admin,
        .proxy_stats_arg = node,
    };
    uint8_t history[16];
    bus_identity(node->wiring.bus, options.salt.bytes, history);
    if (!admin_open(&options, &node->admin, err))
        return false;
    atomic_store_explicit(&node->wiring.admin, node->admin, memory_order_release); /* wiring_hear() */
    return true;
}

/* ---- loop threads ---- */

struct loop_start {
    struct node *node;
    size_t number;
};

/* On the loop's thread: its listeners. */
static void start_loop(void *arg)
{
    struct loop_start *start = arg;
    struct node *node = start->node;
    struct err err = {0};
    bool is_worker = start->number < node->worker_count;
    const struct supervisor_link *link = node->life->link;
    if (link != NULL && link->heartbeat != NULL && node->config->worker_hang_timeout > 0)
        beating_start(link->heartbeat, node->loops[start->number], start->number,
                      node->config->worker_hang_timeout);
    if (!is_worker)
        prober_attach(proxy_prober(node->proxy));
    bool ok = is_worker ? proxy_attach(node->proxy, start->number, &err) : admin_attach(node->admin, &err);
    pthread_mutex_lock(&node->mutex);
    node->loops_started++;
    if (!ok) {
        node->loop_failed = true;
        snprintf(node->failure, sizeof(node->failure), "%s", err.text);
    }
    pthread_cond_signal(&node->changed);
    pthread_mutex_unlock(&node->mutex);
    free(start);
}

static bool start_loops(struct node *node, struct err *err)
{
    for (size_t i = 0; i <= node->worker_count; i++) {
        struct loop_start *start = mem_alloc(sizeof(*start));
        *start = (struct loop_start){node, i};
        if (!loop_start(node->loops[i], start_loop, start, err)) {
            free(start);
            return false;
        }
    }
    pthread_mutex_lock(&node->mutex);
    while (node->loops_started <= node->worker_count)
        pthread_cond_wait(&node->changed, &node->mutex);
    bool ok = !node->loop_failed || err_set(err, ERR_IO, "%s", node->failure);
    pthread_mutex_unlock(&node->mutex);
    return ok;
}

/* ---- ending ---- */

static void close_node(struct node *node)
{
    for (size_t i = 0; node->loops != NULL && i <= node->worker_count && node->loops[i] != NULL; i++) {
        loop_stop(node->loops[i]);
        loop_join(node->loops[i]);
    }
    /* Jobs wait for the bus and fills end in the cache: the store goes before both. */
    if (node->wiring.store != NULL)
        store_close(node->wiring.store);
    if (node->proxy != NULL)
        proxy_let_go(node->proxy);
    resolver_stop(node->resolver); /* it posts to loops; names are looked up until the end */
    bus_close(node->wiring.bus);
    /* Nobody is left who could post. */
    for (size_t i = 0; node->loops != NULL && i <= node->worker_count && node->loops[i] != NULL; i++)
        loop_run_late(node->loops[i]);
    if (node->admin != NULL)
        admin_close(node->admin);
    if (node->proxy != NULL)
        proxy_close(node->proxy);
    cluster_counters_free(node->cluster);
    if (node->refresh != NULL)
        refresh_free(node->refresh);
    if (node->wiring.cache != NULL)
        cache_close(node->wiring.cache);
    answer_cache_free(node->wiring.answers);
    if (node->place != NULL)
        snapshot_place_free(node->place);
    delivery_close(node->delivery, DELIVERY_PATIENCE_MS); /* the last configuration of a plugin has let go */
    resolver_close(node->resolver);
    for (size_t i = 0; node->loops != NULL && i <= node->worker_count; i++)
        if (node->loops[i] != NULL)
            loop_close(node->loops[i]);
    free(node->loops);
    if (node->wiring.schemas != NULL)
        schemas_free(node->wiring.schemas);
    logs_close(&node->logs);
    log_close();
    for (size_t i = 0; i < node->old_config_count; i++)
        config_free(node->old_configs[i]);
    free(node->old_configs);
    config_free(node->config);
    listen_sockets_free(node->sockets);
}

static bool open_node(struct node *node, struct err *err)
{
    static bool (*const parts[])(struct node * node, struct err * err) = {
        open_log,      open_identity,   open_schemas,  open_loops, open_data,  open_bus,   open_store,
        open_resolver, open_line_sinks, open_delivery, open_proxy, open_admin, start_loops};
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!parts[i](node, err))
            return false;
    return true;
}

int node_live(const struct node_life *life)
{
    struct node node = {.life = life, .config = life->config, .sockets = life->sockets};
    pthread_mutex_init(&node.mutex, NULL);
    pthread_cond_init(&node.changed, NULL);

    /* Before any thread is made, so that only sigtimedwait() sees them. */
    const sigset_t set = node_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like others */

    struct err err = {0};
    bool ok = open_node(&node, &err);
    life->ready(life->arg, ok ? NULL : err.text);
    if (ok) {
        char text[UUID_TEXT_SIZE];
        if (life->link != NULL)
            metrics_add(METRIC_WORKER_RESTARTS, (int64_t)life->link->restarts);
        log_notice("node: serving; version=%s node=%s workers=%zu position=%" PRIu64, FRESHET_VERSION,
                   uuid_format(&node.id, text), node.worker_count, bus_applied(node.wiring.bus));
        node_run(&node);
    } else {
        log_error("node: cannot start; %s", err.text);
    }
    close_node(&node);
    pthread_mutex_destroy(&node.mutex);
    pthread_cond_destroy(&node.changed);
    return ok ? 0 : 1;
}
