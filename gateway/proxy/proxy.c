/*
 * proxy - see proxy.h. What each loop has of its own is made on its own thread, and news reach it as
 * messages.
 */

#include "gateway/proxy/proxy.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/miss_limit.h"
#include "gateway/chain/redis_pool.h"
#include "gateway/chain/synced_teller.h"
#include "gateway/chain/window_counters.h"
#include "gateway/config/config.h"
#include "gateway/http/client.h"
#include "gateway/http/listener.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/balance.h"
#include "gateway/proxy/certificates.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/listen.h"
#include "gateway/proxy/prober.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/settings.h"
#include "gateway/proxy/templates.h"
#include "gateway/proxy/tls_settings.h"

enum {
    SWEEP_MS = 10000
};

/* One piece of news for one loop. */
struct news {
    struct loop_message super;
    struct proxy_loop *at;
    const struct settings *settings;
    struct client_pool_options pool;
};

struct proxy_loop *proxy_loop_of(struct proxy *proxy, const struct loop *loop)
{
    size_t i = 0;

    while (proxy->loops[i].loop != loop)
        i++;
    return &proxy->loops[i];
}

static struct client_pool_options pool_options(const struct config *config)
{
    return (struct client_pool_options){
        .max_idle_per_target = (int)config->upstream_keepalive_pool_size,
        .max_requests = (int)config->upstream_keepalive_max_requests,
        .idle_timeout_ms = (int)config->upstream_keepalive_idle_timeout,
    };
}

/* Kept until the end: there are as many as there were reloads. */
static const struct settings *make_settings(struct proxy *proxy, const struct config *config)
{
    struct settings *settings = settings_new(config);

    settings->next = proxy->all_settings;
    proxy->all_settings = settings;
    return settings;
}

static bool open_front(struct proxy *proxy, const struct proxy_options *options, struct err *err)
{
    const struct config *config = options->config;
    /* Of three descriptors one is a client's, one its upstream's, one for all else. */
    const struct http_front_options front = {
        .max_body_bytes = (size_t)config->nginx_http_client_max_body_size,
        .max_head_bytes = (size_t)config->client_header_limit,
        .request_timeout_ms = (int)config->client_timeout,
        .max_connections = (int)config->max_connections,
        .descriptor_share = 3 * proxy->loop_count,
        .keepalive_requests = (int)config->nginx_http_keepalive_requests,
        .write_timeout_ms = (int)config->client_write_timeout,
        .spool_directory = config->prefix,
        .sockets = options->sockets,
    };
    const struct http_server_options server = {
        .name = "proxy_listen",
        .tls = proxy->tls->server,
        .show = certificates_show,
        .handle = request_handle,
        .refuse = request_refuse,
        .arg = proxy,
    };

    proxy->front = http_front_new(&front);
    return listen_add(proxy->front, &server, &config->proxy_listen, err);
}

/* The first mistake will do: `freshet check` shows all. */
static bool open_tls(struct proxy *proxy, const struct proxy_options *options, struct err *err)
{
    const struct config *config = options->config;
    struct config_problems problems = {0};

    proxy->tls = tls_settings_load(config, &problems);
    bool ok =
        proxy->tls != NULL || err_set(err, ERR_INVALID, "%s: %s", problems.at[0].key, problems.at[0].reason);
    config_problems_fini(&problems);
    return ok && tls_settings_complete(proxy->tls, config, err) &&
           tls_settings_seal(proxy->tls, options->ticket_secret, err);
}

bool proxy_check_live(const struct config *config, struct config_problems *problems)
{
    struct error_templates templates = {0};
    bool ok = templates_read(config, &templates, problems);

    templates_fini(&templates);
    return ok;
}

bool proxy_check(const struct config *config, struct config_problems *problems)
{
    struct tls_settings *tls = tls_settings_load(config, problems);
    bool ok = tls != NULL;

    tls_settings_free(tls);
    return proxy_check_live(config, problems) && ok;
}

static void open_prober(struct proxy *proxy, const struct proxy_options *options)
{
    struct prober_options prober = {
        .place = options->place,
        .balance = proxy->balance,
        .tls = proxy->tls->upstream,
        .loop = options->prober_loop,
        .loop_number = options->loop_count,
    };

    prober.tls.identity = proxy->tls->client;
    proxy->prober = prober_new(&prober);
}

bool proxy_open(const struct proxy_options *options, struct proxy **proxy, struct err *err)
{
    struct proxy *made = mem_zalloc(sizeof(*made));

    made->world = options->world;
    made->world.miss_limit = miss_limit_new(options->config->db_miss_limit);
    made->world.counters = window_counters_new(WINDOW_COUNTERS_DEFAULT);
    made->synced = synced_counters_new(SYNCED_WINDOWS_MAX);
    made->place = options->place;
    made->bus = options->bus;
    made->resolver = options->resolver;
    made->access_sink = options->access_sink;
    made->balance = balance_new(options->resolver);
    made->awake_until_us = INT64_MAX; /* until somebody watches */
    made->loop_count = options->loop_count;
    made->loops = mem_zalloc(options->loop_count * sizeof(*made->loops));
    const struct settings *settings = make_settings(made, options->config);
    for (size_t i = 0; i < options->loop_count; i++) {
        struct proxy_loop *at = &made->loops[i];
        *at =
            (struct proxy_loop){.proxy = made, .loop = options->loops[i], .number = i, .settings = settings};
        random_seed(&at->ids[0], random_u64());
        random_seed(&at->ids[1], random_u64());
        random_seed(&at->choices, random_u64());
    }
    made->pool_options = pool_options(options->config);
    if (!open_tls(made, options, err) || !open_front(made, options, err)) {
        proxy_close(made);
        return false;
    }
    if (options->prober_loop != NULL)
        open_prober(made, options);
    *proxy = made;
    return true;
}

static void on_loop_end(struct loop_end *end)
{
    struct proxy_loop *at = CONTAINER_OF(end, struct proxy_loop, end);

    balance_detach(at->balance);
    at->balance = NULL;
    redis_pool_free(at->redis);
    at->redis = NULL;
    synced_teller_free(at->teller);
    at->teller = NULL;
    client_pool_free(at->pool);
    at->pool = NULL;
    access_log_free(at->access);
    at->access = NULL;
}

static void open_redis(struct proxy_loop *at)
{
    const struct redis_pool_options options = {
        .loop = at->loop,
        .clients = at->pool,
        .tls = at->proxy->tls->upstream,
        .resolver = at->proxy->resolver,
    };

    at->redis = redis_pool_new(&options);
    const struct synced_teller_options teller = {
        .loop = at->loop,
        .redis = at->redis,
        .counters = at->proxy->synced,
        .clock = at->proxy->world.clock,
    };
    at->teller = synced_teller_new(&teller);
}

bool proxy_attach(struct proxy *proxy, size_t loop_number, struct err *err)
{
    struct proxy_loop *at = &proxy->loops[loop_number];

    assert(loop_is_mine(at->loop));
    at->pool = client_pool_new(at->loop, &proxy->pool_options);
    open_redis(at);
    at->access = access_log_new(proxy->access_sink, at->loop);
    at->balance = balance_attach(proxy->balance, at->loop);
    at->end.on_end = on_loop_end;
    loop_on_end(at->loop, &at->end); /* before the front's: that one ends what still uses the pool */
    return http_front_attach(proxy->front, at->loop, err);
}

const struct chain_world *proxy_world(const struct proxy *proxy)
{
    return &proxy->world;
}

struct prober *proxy_prober(struct proxy *proxy)
{
    return proxy->prober;
}

struct http_front *proxy_front(struct proxy *proxy)
{
    return proxy->front;
}

static void tell_loops(struct proxy *proxy, void (*run)(struct loop_message *message),
                       const struct news *news)
{
    for (size_t i = 0; i < proxy->loop_count; i++) {
        struct news *copy = mem_dup(news, sizeof(*news));
        copy->super.run = run;
        copy->at = &proxy->loops[i];
        loop_post(copy->at->loop, &copy->super);
    }
}

static void take_settings(struct loop_message *message)
{
    struct news *news = CONTAINER_OF(message, struct news, super);

    news->at->settings = news->settings;
    if (news->at->pool != NULL)
        client_pool_reload(news->at->pool, &news->pool);
    free(news);
}

void proxy_reload(struct proxy *proxy, const struct config *config)
{
    const struct news news = {.settings = make_settings(proxy, config), .pool = pool_options(config)};

    miss_limit_set(proxy->world.miss_limit, config->db_miss_limit);
    tell_loops(proxy, take_settings, &news);
}

void proxy_reload_files(struct proxy *proxy, const struct config *config)
{
    struct error_templates now = {0};
    struct config_problems problems = {0};

    bool ok = templates_read(config, &now, &problems);
    if (ok && !templates_are_equal(&now, &proxy->all_settings->templates))
        proxy_reload(proxy, config);
    templates_fini(&now);
    config_problems_fini(&problems);
}

void proxy_set_stale(struct proxy *proxy, bool stale)
{
    atomic_store_explicit(&proxy->refusing, stale, memory_order_relaxed);
}

void proxy_set_awake(struct proxy *proxy, int64_t until_us)
{
    /* Release, pairs with the acquire in step_wake(). */
    atomic_store_explicit(&proxy->awake_until_us, until_us, memory_order_release);
}

void proxy_tick(struct proxy *proxy, int64_t now_ms)
{
    if (now_ms - proxy->swept_ms < SWEEP_MS)
        return;
    proxy->swept_ms = now_ms;
    balance_sweep(proxy->balance, now_ms);
}

static void on_loop_empty(void *arg)
{
    struct proxy *proxy = arg;

    if (atomic_fetch_sub_explicit(&proxy->undrained, 1, memory_order_relaxed) == 1)
        proxy->drain.on_empty(proxy->drain.arg);
}

static void drain_loop(struct loop_message *message)
{
    struct news *news = CONTAINER_OF(message, struct news, super);
    struct proxy_loop *at = news->at;
    struct http_drain drain = at->proxy->drain;

    free(news);
    drain.on_empty = on_loop_empty;
    drain.arg = at->proxy;
    if (at->pool != NULL)
        client_pool_drain(at->pool);
    http_front_drain(at->proxy->front, at->loop, &drain);
}

void proxy_drain(struct proxy *proxy, const struct http_drain *drain)
{
    const struct news news = {0};

    proxy->drain = *drain;
    atomic_store_explicit(&proxy->undrained, proxy->loop_count, memory_order_relaxed);
    tell_loops(proxy, drain_loop, &news);
}

void proxy_let_go(struct proxy *proxy)
{
    balance_free(proxy->balance);
    proxy->balance = NULL;
}

void proxy_close(struct proxy *proxy)
{
    if (proxy == NULL)
        return;
    http_front_free(proxy->front);
    while (proxy->all_settings != NULL) {
        struct settings *settings = proxy->all_settings;
        proxy->all_settings = settings->next;
        settings_free(settings);
    }
    prober_free(proxy->prober);
    balance_free(proxy->balance);
    miss_limit_free(proxy->world.miss_limit);
    window_counters_free(proxy->world.counters);
    synced_counters_free(proxy->synced);
    tls_settings_free(proxy->tls);
    free(proxy->loops);
    free(proxy);
}
