/*
 * wiring - the parts do not know each other: cache, store and bus meet in the small functions below, which
 * translate between them, and settings become the options of each.
 */

#include "gateway/wiring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/random.h"
#include "gateway/chain/answer_cache.h"
#include "gateway/chain/cluster_counters.h"
#include "gateway/chain/plugin.h"
#include "gateway/config/config.h"
#include "gateway/figures.h"
#include "gateway/plugin_schemas/plugin_schemas.h"
#include "gateway/proxy/prober.h"
#include "gateway/store/store.h"
#include "gateway/store/usage_rows.h"

enum {
    FILL_DEADLINE_MS = 5000,   /* a parked request waits no longer for the database */
    FILLS_QUEUED_MAX = 100000, /* a waiter costs its request about 1 KB; beyond it clients get 503 */
};

const char *wiring_node_name(struct wiring *wiring, const struct config *config)
{
    if (config->node_name != NULL)
        return config->node_name;
    if (wiring->host_name[0] == '\0' && gethostname(wiring->host_name, sizeof(wiring->host_name) - 1) != 0)
        (void)snprintf(wiring->host_name, sizeof(wiring->host_name), "node");
    return wiring->host_name;
}

static bool is_listed(const struct config *config, const char *plugin)
{
    for (size_t i = 0; i < config->plugins.count; i++)
        if (strcmp(config->plugins.at[i], plugin) == 0)
            return true;
    return false;
}

void wiring_warn_of_idle_plugins(const struct config *config)
{
    for (size_t i = 0; i < plugin_schemas_count(); i++) {
        const struct plugin_schema *plugin = plugin_schemas_at(i);
        if (config_enables_plugin(config, plugin->name) && is_listed(config, plugin->name))
            log_warn("plugins: '%s' is listed, but %s; it cannot be configured", plugin->name,
                     plugin->absence != NULL ? plugin->absence : "this gateway does not run it yet");
    }
}

/* ---- cache, store and bus ---- */

struct fill {
    struct store_fill super;
    struct wiring *wiring;
    struct cache_flight *flight;
    char value[];
};

static void fill_done(struct store_fill *super)
{
    struct fill *fill = CONTAINER_OF(super, struct fill, super);
    const struct cache_answer answer = {
        .failed = super->failed,
        .position = super->position,
        .tag = super->tag,
        .object = super->object,
        .bytes = super->bytes,
        .release = super->schema->release,
    };
    cache_fill_done(fill->wiring->cache, fill->flight, &answer);
    free(fill);
}

static void load_for_cache(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                           enum cache_source source)
{
    struct wiring *wiring = arg;
    struct fill *fill = mem_zalloc(sizeof(*fill) + ask->value.len + 1);
    memcpy(fill->value, ask->value.at, ask->value.len);
    fill->wiring = wiring;
    fill->flight = flight;
    fill->super = (struct store_fill){
        .schema = schemas_at(wiring->schemas, ask->type),
        .lookup = ask->lookup,
        .value = {fill->value, ask->value.len},
        .from_replica = source == CACHE_FROM_REPLICA,
        .on_done = fill_done,
    };
    store_fill(wiring->store, &fill->super);
}

static enum cache_judgement judge_for_cache(void *arg, uint64_t position, int64_t tag,
                                            enum cache_source source)
{
    static const enum cache_judgement judgements[] = {[BUS_ACCEPT] = CACHE_ACCEPT,
                                                      [BUS_PASS] = CACHE_PASS,
                                                      [BUS_OLD] = CACHE_OLD,
                                                      [BUS_CONTRADICTS] = CACHE_CONTRADICTS};
    const struct wiring *wiring = arg;
    struct bus *bus = atomic_load_explicit(&wiring->bus, memory_order_acquire);
    if (bus == NULL)
        return CACHE_PASS;
    return judgements[bus_judge(bus, position, tag, source == CACHE_FROM_REPLICA)];
}

static void suspect_hinted_keys(void *arg, uint64_t position, const uint8_t (*keys)[16], size_t key_count)
{
    const struct wiring *wiring = arg;
    struct bus *bus = atomic_load_explicit(&wiring->bus, memory_order_acquire);
    if (bus == NULL)
        return;
    uint64_t applied = bus_applied(bus);
    for (size_t i = 0; i < key_count; i++) {
        struct digest digest;
        memcpy(digest.bytes, keys[i], sizeof(digest.bytes));
        cache_suspect(wiring->cache, &digest, position, applied);
    }
}

static void log_for_bus(void *arg, enum bus_log_level level, const char *text)
{
    static const enum log_level levels[] = {[BUS_LOG_DEBUG] = LOG_DEBUG,
                                            [BUS_LOG_INFO] = LOG_INFO,
                                            [BUS_LOG_NOTICE] = LOG_NOTICE,
                                            [BUS_LOG_WARN] = LOG_WARN,
                                            [BUS_LOG_ERROR] = LOG_ERROR};
    (void)arg;
    if (levels[level] >= log_get_level())
        log_line(levels[level], "bus: %s", text);
}

/* ---- windows in the database ---- */

static enum usage_outcome exchange_usage(struct store_session *session, const struct usage *adds,
                                         size_t add_count, struct usage *reads, size_t read_count,
                                         struct err *err)
{
    static const enum usage_outcome outcomes[] = {[USAGE_ROWS_DONE] = USAGE_DONE,
                                                  [USAGE_ROWS_NOT_SENT] = USAGE_NOT_SENT,
                                                  [USAGE_ROWS_UNKNOWN] = USAGE_UNKNOWN};
    return outcomes[usage_rows_exchange(session, adds, add_count, reads, read_count, err)];
}

struct cluster_counters *wiring_cluster_counters(struct store *store)
{
    const struct usage_store usage = {
        .store = store,
        .submit = store_submit,
        .exchange = exchange_usage,
        .sweep = usage_rows_sweep,
    };
    return cluster_counters_new(&usage, clock_system());
}

/* ---- what the Admin API asks of the bus ---- */

static uint64_t admin_applied(void *arg)
{
    return bus_applied(arg);
}

static void admin_wake(void *arg)
{
    bus_wake(arg);
}

static bool admin_wait(void *arg, uint64_t position, int64_t timeout_ms)
{
    return bus_wait(arg, position, timeout_ms);
}

static void admin_announce(void *arg, uint64_t position, int64_t tag, const uint8_t (*keys)[16],
                           size_t key_count)
{
    bus_announce(arg, position, tag, keys, key_count);
}

static void admin_position_text(void *arg, uint64_t position, char text[40])
{
    bus_position_text(arg, position, text);
}

static enum admin_place admin_look(void *arg, const char *text, size_t length)
{
    static const enum admin_place places[] = {[BUS_THERE] = ADMIN_THERE,
                                              [BUS_BEHIND] = ADMIN_BEHIND,
                                              [BUS_ELSEWHERE] = ADMIN_ELSEWHERE,
                                              [BUS_NOWHERE] = ADMIN_NOWHERE};
    return places[bus_look(arg, text, length)];
}

static int64_t admin_since_good_poll(void *arg)
{
    struct bus_stats stats;
    bus_read_stats(arg, &stats);
    return stats.since_good_poll_ms;
}

static struct cJSON *admin_describe(void *arg)
{
    return figures_describe(arg);
}

static void admin_expose(void *arg, struct buf *out)
{
    figures_expose(arg, out);
}

static bool admin_is_answered(void *arg)
{
    struct bus_stats stats;
    bus_read_stats(arg, &stats);
    return stats.failing_polls == 0;
}

/* word NULL: some may have been missed. */
static void tell_plugins(const struct wiring *wiring, const char *word)
{
    const struct chain_world *world =
        atomic_load_explicit(&wiring->world, memory_order_acquire); /* node.c: open_proxy */

    for (size_t i = 0; world != NULL && i < wiring->plugin_count; i++)
        if (wiring->plugins[i]->hear != NULL)
            wiring->plugins[i]->hear(world, str_of(word));
}

void wiring_hear(void *arg, const char *word)
{
    const struct wiring *wiring = arg;
    struct admin *admin = atomic_load_explicit(&wiring->admin, memory_order_acquire); /* node.c: open_admin */
    struct prober *prober =
        atomic_load_explicit(&wiring->prober, memory_order_acquire); /* node.c: open_proxy */

    if (admin != NULL)
        admin_hear(admin, word);
    if (prober != NULL)
        prober_hear(prober, word);
    tell_plugins(wiring, word);
}

void wiring_restarted(void *arg)
{
    const struct wiring *wiring = arg;
    struct prober *prober = atomic_load_explicit(&wiring->prober, memory_order_acquire); /* as above */

    if (prober != NULL)
        prober_start_over(prober);
    tell_plugins(wiring, NULL);
}

/* By one thread alone: a gauge is the sum of what was added to it. */
static void set_gauge(enum metric metric, int64_t value)
{
    metrics_add(metric, value - metrics_read(metric));
}

void wiring_share_memory(struct wiring *wiring, const struct config *config)
{
    size_t max_bytes = (size_t)config->mem_cache_size;
    struct answer_cache_stats answers;
    struct cache_stats stats;

    cache_read_stats(wiring->cache, &stats);
    answer_cache_limit(wiring->answers, stats.bytes < max_bytes ? max_bytes - stats.bytes : 0);
    answer_cache_read_stats(wiring->answers, &answers);
    set_gauge(METRIC_ANSWERS, (int64_t)answers.answers);
    set_gauge(METRIC_ANSWER_BYTES, (int64_t)answers.bytes);
}

/* ---- settings to options ---- */

struct cache_options wiring_cache_options(struct wiring *wiring, const struct config *config)
{
    return (struct cache_options){
        .max_bytes = (size_t)config->mem_cache_size,
        .ttl_ms = config->db_cache_ttl,
        .negative_ttl_ms = config->db_cache_neg_ttl,
        .resurrect_ms = config->db_resurrect_ttl,
        .propagation_ms = config->db_update_propagation,
        .delay_gate = strcmp(config->replica_gate, "delay") == 0,
        .has_replica = config->pg_ro_host != NULL,
        .max_flights = (int)config->db_fill_concurrency,
        .max_queued = FILLS_QUEUED_MAX,
        .fill_deadline_ms = FILL_DEADLINE_MS,
        .clock = clock_system(),
        .seed = random_u64(),
        .load = load_for_cache,
        .judge = judge_for_cache,
        .release = free, /* most decoded objects are one block (model/pack.h) */
        .arg = wiring,
    };
}

struct bus_live wiring_bus_live(const struct config *config)
{
    static const struct {
        const char *name;
        enum bus_channel_kind kind;
    } kinds[] = {{"off", BUS_CHANNEL_OFF},
                 {"on", BUS_CHANNEL_REDIS},
                 {"redis", BUS_CHANNEL_REDIS},
                 {"pg_notify", BUS_CHANNEL_PG_NOTIFY}};
    struct bus_live live = {
        .poll_ms = config->db_update_frequency,
        .redis =
            {
                .host = config->redis_host,
                .port = (int)config->redis_port,
                .sentinels = config->redis_sentinels,
                .sentinel_master = config->redis_sentinel_master,
                .sentinel_username = config->redis_sentinel_username,
                .sentinel_password = config->redis_sentinel_password,
                .cluster = config->redis_cluster_nodes,
                .username = config->redis_username,
                .password = config->redis_password,
                .database = (int)config->redis_database,
                .tls = config->redis_ssl,
                .tls_verify = config->redis_ssl_verify,
                .tls_server_name = config->redis_ssl_server_name,
                .tls_ca_file = strcmp(config->lua_ssl_trusted_certificate, "system") == 0
                                   ? NULL
                                   : config->lua_ssl_trusted_certificate,
                .timeout_ms = (int)config->redis_timeout,
                .channel = config->redis_channel,
                .secret = config->redis_secret,
                .hint_purge = config->redis_hint_purge,
            },
    };
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].name, config->fast_invalidation) == 0)
            live.channel = kinds[i].kind;
    return live;
}

void wiring_bus_callbacks(struct wiring *wiring, struct bus_options *options)
{
    options->on_hint = suspect_hinted_keys;
    options->log = log_for_bus;
    options->arg = wiring;
}

struct admin_bus wiring_admin_bus(struct bus *bus)
{
    return (struct admin_bus){
        .applied = admin_applied,
        .wake = admin_wake,
        .wait = admin_wait,
        .announce = admin_announce,
        .position_text = admin_position_text,
        .look = admin_look,
        .describe = admin_describe,
        .expose = admin_expose,
        .is_answered = admin_is_answered,
        .since_good_poll_ms = admin_since_good_poll,
        .arg = bus,
    };
}
