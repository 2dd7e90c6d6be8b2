#pragma once

/*
 * gateway - a whole proxy on one loop of its own, over rows of the test's, between raw sockets: the test is
 * the client as well as the upstream.
 */

#include "requests.h"

#include <semaphore.h>
#include <signal.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/dns/resolver.h"
#include "gateway/http/listener.h"
#include "gateway/io/loop.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/proxy.h"
#include "gateway/proxy/snapshot.h"
#include "snapshots.h"
#include "tests/unit/gateway/http/raw.h"

enum {
    GATEWAY_PLUGIN = 1,
    GATEWAY_SERVICE = 2,
    GATEWAY_ROUTE = 4
};

struct gateway {
    struct config *config;
    struct loop *loop;
    struct snapshot_place *place;
    struct resolver *resolver;
    struct proxy *proxy;
    sem_t attached;
    char hosts[64];
    int name_server; /* gets queries and answers none */
    int published;   /* snapshots; each has settings of a plugin of its own: live_settings */
    int upstream;    /* listening on 127.0.0.1 */
    int upstream_port;
    int client; /* one connection */
};

struct gateway_options {
    const char *settings; /* beside those all have */
    const char *service;  /* members of its row beside those all have; NULL: host 127.0.0.1 */
    const char *route;    /* likewise; NULL: everything under "/" */
    /* A list of one, with counting_configure() and counting_dispose(), for ever; NULL: one that does nothing.
     */
    const struct plugin *const *plugins;
};

static inline void gateway_put(struct draft *draft, const struct schema *schema, unsigned number,
                               const char *text)
{
    struct err err = {0};
    cJSON *row = test_row(number, text);
    if (!draft_put(draft, schema, row, &err))
        fail_msg("%s", err.text);
    cJSON_Delete(row);
}

static inline void gateway_publish(struct gateway *gateway, const struct gateway_options *options)
{
    const struct plugin *const *plugins = options->plugins != NULL ? options->plugins : installed;
    const struct draft_options draft_options = {.plugins = plugins, .plugin_count = 1};
    struct draft *draft = draft_new(&draft_options, snapshot_newest(gateway->place), DRAFT_CHANGED);
    struct buf text = {0};
    buf_printf(&text, "{'name':'up','enabled':true,'port':%d,%s}", gateway->upstream_port,
               options->service != NULL ? options->service
                                        : "'protocol':'http','host':'127.0.0.1','retries':5,"
                                          "'connect_timeout':3000,'write_timeout':3000,'read_timeout':3000");
    gateway_put(draft, &service_schema, GATEWAY_SERVICE, text.at);
    buf_clear(&text);
    buf_printf(&text, "{'name':'all',%s}",
               options->route != NULL ? options->route
                                      : "'paths':['/'],'protocols':['http','https'],'strip_path':true,"
                                        "'https_redirect_status_code':426,'service':{'id':'$2$'}");
    gateway_put(draft, &route_schema, GATEWAY_ROUTE, text.at);
    buf_clear(&text);
    buf_printf(&text, "{'name':'%s','enabled':true,'config':{'number':%d}}", plugins[0]->schema.name,
               ++gateway->published);
    gateway_put(draft, &plugin_setting_schema, GATEWAY_PLUGIN, text.at);
    buf_fini(&text);
    snapshot_publish(gateway->place, draft_finish(draft, 1, 1));
}

static inline void gateway_open_name_server(struct gateway *gateway, char text[32])
{
    struct sockaddr_in address = raw_loopback(0);
    socklen_t length = sizeof(address);
    gateway->name_server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(gateway->name_server, (const void *)&address, length), 0);
    assert_int_equal(getsockname(gateway->name_server, (void *)&address, &length), 0);
    (void)snprintf(text, 32, "127.0.0.1:%d", ntohs(address.sin_port));
}

/* "up.test" has two addresses, and nobody listens at the second. */
static inline void gateway_open_resolver(struct gateway *gateway)
{
    struct err err = {0};
    char servers[32];
    gateway_open_name_server(gateway, servers);
    (void)snprintf(gateway->hosts, sizeof(gateway->hosts), "/tmp/freshet-test-proxy-hosts-XXXXXX");
    int file = mkstemp(gateway->hosts);
    assert_true(file >= 0);
    static const char text[] = "127.0.0.1 up.test\n127.0.0.2 up.test\n";
    assert_int_equal(write(file, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(close(file), 0);
    const struct resolver_options options = {
        .servers = servers,
        .hosts_file = gateway->hosts,
        .stale_ttl_s = 1,
        .not_found_ttl_s = 30,
        .error_ttl_s = 1,
        .cache_size = 100,
        .timeout_ms = 50,
    };
    if (!resolver_open(&options, &gateway->resolver, &err))
        fail_msg("%s", err.text);
}

static inline void gateway_on_start(void *arg)
{
    struct gateway *gateway = arg;
    struct err err;
    if (!proxy_attach(gateway->proxy, 0, &err))
        abort();
    sem_post(&gateway->attached);
}

static inline UNUSED struct gateway *gateway_open(const struct gateway_options *options)
{
    struct gateway *gateway = mem_zalloc(sizeof(*gateway));
    struct err err = {0};
    struct buf settings = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    buf_printf(&settings, "prefix = /tmp\nproxy_listen = 127.0.0.1:0\n%s",
               options->settings != NULL ? options->settings : "");
    gateway->config = test_config(settings.at);
    buf_fini(&settings);
    gateway->upstream = raw_listen(&gateway->upstream_port);
    assert_true(loop_open("gateway", &gateway->loop, &err));
    gateway->place = snapshot_place_new(&gateway->loop, 1);
    gateway_publish(gateway, options);
    gateway_open_resolver(gateway);
    const struct proxy_options proxy = {
        .config = gateway->config,
        .world = {.clock = clock_system()},
        .place = gateway->place,
        .resolver = gateway->resolver,
        .loops = &gateway->loop,
        .loop_count = 1,
    };
    if (!proxy_open(&proxy, &gateway->proxy, &err))
        fail_msg("%s", err.text);
    sem_init(&gateway->attached, 0, 0);
    assert_true(loop_start(gateway->loop, gateway_on_start, gateway, &err));
    sem_wait(&gateway->attached);
    gateway->client = raw_connect(http_front_port(proxy_front(gateway->proxy), 0, 0));
    return gateway;
}

static inline UNUSED void gateway_close(struct gateway *gateway)
{
    if (gateway->client >= 0)
        close(gateway->client);
    loop_stop(gateway->loop);
    loop_join(gateway->loop);
    proxy_close(gateway->proxy);
    resolver_close(gateway->resolver);
    close(gateway->name_server);
    snapshot_place_free(gateway->place);
    loop_close(gateway->loop);
    config_free(gateway->config);
    if (gateway->upstream >= 0)
        close(gateway->upstream);
    (void)unlink(gateway->hosts);
    sem_destroy(&gateway->attached);
    free(gateway);
    assert_int_equal(live_settings, 0);
}

/* Another connection of a client. */
static inline UNUSED int gateway_connect(struct gateway *gateway)
{
    return raw_connect(http_front_port(proxy_front(gateway->proxy), 0, 0));
}

/* The upstream's side: the next connection; -1: none comes within wait_ms. */
static inline UNUSED int gateway_accept(struct gateway *gateway, int wait_ms)
{
    if (!raw_wait(gateway->upstream, wait_ms))
        return -1;
    return accept(gateway->upstream, NULL, NULL);
}

/* The next connection with the head of its request in `seen`. */
static inline UNUSED int gateway_take(struct gateway *gateway, char *seen, size_t size)
{
    int fd = gateway_accept(gateway, RAW_DEADLINE_MS);
    assert_true(fd >= 0);
    (void)raw_receive(fd, seen, size, "\r\n\r\n");
    return fd;
}

/* No connection comes to the upstream. After the client has its answer nothing is under way, so no wait is
 * needed. */
static inline UNUSED void gateway_expect_no_other(struct gateway *gateway)
{
    assert_int_equal(gateway_accept(gateway, 0), -1);
}
