/*
 * client_pool - see client_pool.h.
 *
 * A target is an address and the TLS settings used with it. Targets are counted by their connections and by
 * nothing else: one without connections is freed.
 *
 * TLS settings are compared by content: a certificate or an authority that has changed is another setting, so
 * no connection made with the old one is used for it. Each setting has a context, which lives while a target
 * uses it, and after that as one of a bounded number of spare ones. Settings with the same authorities share
 * a store.
 */

#include "gateway/http/client_pool.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/http/client_dial.h"
#include "gateway/http/tls_authority.h"
#include "gateway/http/tls_client.h"
#include "gateway/http/tls_identity.h"
#include "gateway/http/tls_reader.h"
#include "gateway/io/loop.h"

enum {
    BUCKETS = 1024,
    SPARE_SETTINGS = 256 /* contexts that no connection uses; about 20 KB each */
};

/* Comparable with memcmp: no padding, unused bytes are zero. */
struct target_key {
    uint8_t address[16];
    const void *tls;
    uint32_t scope;
    uint16_t port;
    uint16_t family;
};

struct client_target {
    struct client_target *next; /* in its bucket */
    struct client_pool *pool;
    struct target_key key;
    struct tls_setting *tls; /* NULL: plain */
    struct list idle;        /* last used first */
    int idle_count;
    int holder_count; /* connections and clients */
};

/* Comparable with memcmp: no padding. */
struct trust {
    struct digest authorities; /* of a service */
    X509_STORE *trusted;       /* or the node's */
    uint32_t own, verify;
    int depth;
    int versions[2];
    uint32_t has_identity;
    uint8_t identity[TLS_IDENTITY_DIGEST_SIZE];
};

struct tls_setting {
    struct tls_setting *next; /* in its bucket */
    char *server_name;        /* NULL: none */
    struct trust trust;
    SSL_CTX *context; /* NULL: it cannot be used */
    size_t target_count;
    struct list spare; /* of the pool, last used first; not linked while a target uses it */
};

struct client_pool {
    struct loop *loop;
    struct client_pool_options options;
    bool draining;
    struct client_target *targets[BUCKETS];
    struct tls_setting *tls_settings[BUCKETS];
    struct list spare;
    size_t spare_count;
};

/* Eight bytes at a time. Keys come from the administrator: nobody has an interest in collisions. */
static size_t bucket_of(const void *bytes, size_t length)
{
    const char *at = bytes;
    uint64_t hash = length;

    while (length > 0) {
        uint64_t word = 0;
        size_t count = length < sizeof(word) ? length : sizeof(word);

        memcpy(&word, at, count);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
        at += count;
        length -= count;
    }
    return (size_t)(hash ^ (hash >> 32)) % BUCKETS;
}

static void make_trust(const struct client_tls *tls, struct trust *trust)
{
    memset(trust, 0, sizeof(*trust));
    trust->versions[0] = tls->lowest_version;
    trust->versions[1] = tls->highest_version;
    if (tls->identity != NULL) {
        trust->has_identity = 1;
        memcpy(trust->identity, tls_identity_digest(tls->identity), sizeof(trust->identity));
    }
    if (!tls->verify)
        return;
    trust->verify = 1;
    trust->depth = tls->verify_depth;
    trust->own = tls->own_authorities ? 1 : 0;
    if (tls->own_authorities)
        tls_authorities_digest(tls->authorities, tls->authority_count, &trust->authorities);
    else
        trust->trusted = tls->trusted;
}

static bool is_setting_of(const struct tls_setting *setting, struct str wanted, const struct trust *trust)
{
    struct str name = str_of(setting->server_name);

    return (name.at == NULL) == (wanted.at == NULL) && str_equal(name, wanted) &&
           memcmp(&setting->trust, trust, sizeof(*trust)) == 0;
}

/* The store of another setting with the same ones, or NULL. Only looked for when a context is made. */
static X509_STORE *find_authorities(const struct client_pool *pool, const struct trust *trust)
{
    for (size_t i = 0; i < BUCKETS && trust->verify != 0; i++)
        for (const struct tls_setting *setting = pool->tls_settings[i]; setting != NULL;
             setting = setting->next)
            if (setting->trust.verify != 0 && setting->context != NULL && setting->trust.own == trust->own &&
                setting->trust.trusted == trust->trusted &&
                digest_equal(&setting->trust.authorities, &trust->authorities))
                return SSL_CTX_get_cert_store(setting->context);
    return NULL;
}

static size_t setting_bucket(struct str name)
{
    return bucket_of(name.at, name.at != NULL ? name.len : 0);
}

static void free_setting(struct client_pool *pool, struct tls_setting *setting)
{
    struct tls_setting **link = &pool->tls_settings[setting_bucket(str_of(setting->server_name))];

    while (*link != setting)
        link = &(*link)->next;
    *link = setting->next;
    list_remove(&setting->spare);
    pool->spare_count--;
    SSL_CTX_free(setting->context);
    free(setting->server_name);
    free(setting);
}

static void make_spare(struct client_pool *pool, struct tls_setting *setting)
{
    list_add_first(&pool->spare, &setting->spare);
    pool->spare_count++;
    if (pool->spare_count > SPARE_SETTINGS)
        free_setting(pool, CONTAINER_OF(pool->spare.previous, struct tls_setting, spare));
}

static void hold_setting(struct client_pool *pool, struct tls_setting *setting)
{
    if (setting->target_count++ > 0)
        return;
    list_remove(&setting->spare);
    pool->spare_count--;
}

static void release_setting(struct client_pool *pool, struct tls_setting *setting)
{
    if (setting != NULL && --setting->target_count == 0)
        make_spare(pool, setting);
}

static struct tls_setting *find_tls(struct client_pool *pool, const struct client_tls *tls)
{
    size_t bucket = setting_bucket(tls->server_name);
    struct tls_setting *setting = pool->tls_settings[bucket];
    struct trust trust;
    struct err err;

    make_trust(tls, &trust);
    while (setting != NULL && !is_setting_of(setting, tls->server_name, &trust))
        setting = setting->next;
    if (setting != NULL)
        return setting;
    setting = mem_zalloc(sizeof(*setting));
    if (tls->server_name.at != NULL)
        setting->server_name = mem_strndup(tls->server_name.at, tls->server_name.len);
    setting->trust = trust;
    if (!tls_client_new(tls, find_authorities(pool, &trust), &setting->context, &err))
        log_error("http: TLS to upstream \"%.*s\" is not possible: %s", STR_ARG(tls->server_name), err.text);
    else
        client_dial_prepare(setting->context);
    setting->next = pool->tls_settings[bucket];
    pool->tls_settings[bucket] = setting;
    make_spare(pool, setting);
    return setting;
}

static void make_key(const struct sockaddr_storage *address, const void *tls, struct target_key *key)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;

    memset(key, 0, sizeof(*key));
    key->family = address->ss_family;
    key->tls = tls;
    if (address->ss_family == AF_INET) {
        memcpy(key->address, &four->sin_addr, sizeof(four->sin_addr));
        key->port = four->sin_port;
    } else {
        memcpy(key->address, &six->sin6_addr, sizeof(six->sin6_addr));
        key->port = six->sin6_port;
        key->scope = six->sin6_scope_id;
    }
}

void client_target_release(struct client_target *target)
{
    struct client_pool *pool = target->pool;

    if (--target->holder_count > 0)
        return;
    struct client_target **link = &pool->targets[bucket_of(&target->key, sizeof(target->key))];
    while (*link != target)
        link = &(*link)->next;
    *link = target->next;
    release_setting(pool, target->tls);
    free(target);
}

static void close_idle(struct client_pool *pool)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct client_target *next;

        for (struct client_target *target = pool->targets[i]; target != NULL; target = next) {
            struct upstream *upstream;

            next = target->next;
            target->holder_count++; /* not to be freed while its list is emptied */
            while ((upstream = client_pool_take(target)) != NULL)
                upstream_close(upstream);
            client_target_release(target);
        }
    }
}

static void on_idle_too_long(struct timer *timer)
{
    struct upstream *upstream = CONTAINER_OF(timer, struct upstream, idle);

    upstream->target->idle_count--;
    list_remove(&upstream->link);
    upstream_close(upstream);
}

struct loop *client_pool_loop(const struct client_pool *pool)
{
    return pool->loop;
}

SSL_CTX *client_target_tls(const struct client_target *target)
{
    return target->tls != NULL ? target->tls->context : NULL;
}

struct client_target *client_pool_hold(struct client_pool *pool, const struct client_request *request)
{
    struct tls_setting *setting = NULL;
    struct target_key key;

    if (request->tls != NULL) {
        setting = find_tls(pool, request->tls);
        if (setting->context == NULL)
            return NULL;
    }
    make_key(&request->address, setting, &key);
    size_t bucket = bucket_of(&key, sizeof(key));
    struct client_target *target = pool->targets[bucket];
    while (target != NULL && memcmp(&target->key, &key, sizeof(key)) != 0)
        target = target->next;
    if (target != NULL) {
        target->holder_count++;
        return target;
    }
    target = mem_zalloc(sizeof(*target));
    target->pool = pool;
    target->key = key;
    target->holder_count = 1;
    target->tls = setting;
    if (setting != NULL)
        hold_setting(pool, setting);
    list_init(&target->idle);
    target->next = pool->targets[bucket];
    pool->targets[bucket] = target;
    return target;
}

struct upstream *client_pool_take(struct client_target *target)
{
    struct list *link = list_take_first(&target->idle);

    if (link == NULL)
        return NULL;
    struct upstream *upstream = CONTAINER_OF(link, struct upstream, link);
    target->idle_count--;
    metrics_add(METRIC_UPSTREAM_IDLE, -1);
    timer_stop(&upstream->idle);
    return upstream;
}

struct upstream *upstream_new(struct client_target *target, h2o_socket_t *sock, SSL *ssl)
{
    struct upstream *upstream = mem_zalloc(sizeof(*upstream));

    upstream->pool = target->pool;
    upstream->target = target;
    upstream->sock = sock;
    h2o_socket_dont_read(sock, 1);
    upstream->tls = ssl != NULL ? tls_reader_new(sock, ssl) : NULL;
    upstream->read_paused = true;
    sock->data = upstream;
    target->holder_count++;
    metrics_add(METRIC_UPSTREAM_OPEN, 1);
    return upstream;
}

h2o_socket_t *upstream_give_socket(struct upstream *upstream)
{
    h2o_socket_t *sock = upstream->sock;

    tls_reader_free(upstream->tls);
    upstream->tls = NULL;
    upstream->sock = NULL;
    h2o_socket_dont_read(sock, 0);
    return sock;
}

void upstream_close(struct upstream *upstream)
{
    struct client_target *target = upstream->target;

    timer_stop(&upstream->idle);
    if (list_is_linked(&upstream->link)) {
        list_remove(&upstream->link);
        target->idle_count--;
        metrics_add(METRIC_UPSTREAM_IDLE, -1);
    }
    metrics_add(METRIC_UPSTREAM_OPEN, -1);
    if (upstream->sock != NULL)
        h2o_socket_close(upstream_give_socket(upstream));
    free(upstream);
    client_target_release(target);
}

void client_pool_give(struct upstream *upstream)
{
    struct client_pool *pool = upstream->pool;
    struct client_target *target = upstream->target;
    const struct client_pool_options *options = &pool->options;

    upstream->client = NULL;
    if (pool->draining || options->max_idle_per_target <= 0 ||
        (options->max_requests > 0 && upstream->request_count >= options->max_requests)) {
        upstream_close(upstream);
        return;
    }
    if (target->idle_count >= options->max_idle_per_target)
        upstream_close(
            CONTAINER_OF(target->idle.previous, struct upstream, link)); /* the one idle for longest */
    list_add_first(&target->idle, &upstream->link);
    target->idle_count++;
    metrics_add(METRIC_UPSTREAM_IDLE, 1);
    if (options->idle_timeout_ms > 0)
        timer_start(pool->loop, &upstream->idle, options->idle_timeout_ms, on_idle_too_long);
}

struct client_pool *client_pool_new(struct loop *loop, const struct client_pool_options *options)
{
    struct client_pool *pool = mem_zalloc(sizeof(*pool));

    pool->loop = loop;
    pool->options = *options;
    list_init(&pool->spare);
    return pool;
}

void client_pool_free(struct client_pool *pool)
{
    if (pool == NULL)
        return;
    pool->draining = true;
    close_idle(pool);
    for (size_t i = 0; i < BUCKETS; i++)
        assert(pool->targets[i] == NULL);
    while (!list_is_empty(&pool->spare))
        free_setting(pool, CONTAINER_OF(pool->spare.next, struct tls_setting, spare));
    free(pool);
}

void client_pool_reload(struct client_pool *pool, const struct client_pool_options *options)
{
    pool->options = *options;
    if (options->max_idle_per_target <= 0)
        close_idle(pool);
}

void client_pool_drain(struct client_pool *pool)
{
    pool->draining = true;
    close_idle(pool);
}
