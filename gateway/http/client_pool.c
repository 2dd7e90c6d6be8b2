/*
 * client_pool - see client_pool.h.
 *
 * A target is an address and the TLS settings used with it. Targets are counted by their connections and by
 * nothing else: one without connections is freed. TLS contexts are kept for as long as the pool: there are as
 * many as different settings, which only an administrator makes. They share the authorities of their CA file.
 */

#include "gateway/http/client_pool.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/http/tls.h"
#include "gateway/io/loop.h"

enum {
    BUCKETS = 1024
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
    SSL_CTX *tls;
    struct list idle; /* last used first */
    int idle_count;
    int holder_count; /* connections and clients */
};

struct tls_setting {
    struct tls_setting *next;
    char *server_name; /* NULL: none */
    char *ca_file;     /* NULL: the system's */
    bool verify;
    int verify_depth;
    SSL_CTX *context; /* NULL: it cannot be used */
};

struct client_pool {
    struct loop *loop;
    struct client_pool_options options;
    bool draining;
    struct client_target *targets[BUCKETS];
    struct tls_setting *tls_settings[BUCKETS];
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

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_setting_of(const struct tls_setting *setting, const struct client_tls *tls)
{
    struct str name = str_of(setting->server_name);

    return setting->verify == tls->verify && setting->verify_depth == tls->verify_depth &&
           (name.at == NULL) == (tls->server_name.at == NULL) && str_equal(name, tls->server_name) &&
           is_same_text(setting->ca_file, tls->ca_file);
}

/* Those that another setting has read from the same file, or NULL. */
static X509_STORE *find_authorities(const struct client_pool *pool, const struct client_tls *tls)
{
    for (size_t i = 0; i < BUCKETS && tls->verify; i++)
        for (const struct tls_setting *setting = pool->tls_settings[i]; setting != NULL;
             setting = setting->next)
            if (setting->verify && setting->context != NULL && is_same_text(setting->ca_file, tls->ca_file))
                return SSL_CTX_get_cert_store(setting->context);
    return NULL;
}

static struct tls_setting *find_tls(struct client_pool *pool, const struct client_tls *tls)
{
    size_t bucket = bucket_of(tls->server_name.at, tls->server_name.at != NULL ? tls->server_name.len : 0);
    struct tls_setting *setting = pool->tls_settings[bucket];
    struct err err;

    while (setting != NULL && !is_setting_of(setting, tls))
        setting = setting->next;
    if (setting != NULL)
        return setting;
    setting = mem_zalloc(sizeof(*setting));
    if (tls->server_name.at != NULL)
        setting->server_name = mem_strndup(tls->server_name.at, tls->server_name.len);
    setting->ca_file = mem_strdup(tls->ca_file);
    setting->verify = tls->verify;
    setting->verify_depth = tls->verify_depth;
    if (!tls_client_new(tls, find_authorities(pool, tls), &setting->context, &err))
        log_error("http: TLS to upstream \"%.*s\" is not possible: %s", STR_ARG(tls->server_name), err.text);
    setting->next = pool->tls_settings[bucket];
    pool->tls_settings[bucket] = setting;
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
    return target->tls;
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
    target->tls = setting != NULL ? setting->context : NULL;
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
    timer_stop(&upstream->idle);
    return upstream;
}

struct upstream *upstream_new(struct client_target *target, h2o_socket_t *sock)
{
    struct upstream *upstream = mem_zalloc(sizeof(*upstream));

    upstream->pool = target->pool;
    upstream->target = target;
    upstream->sock = sock;
    upstream->tls = target->tls != NULL;
    upstream->read_paused = true;
    sock->data = upstream;
    target->holder_count++;
    return upstream;
}

void upstream_close(struct upstream *upstream)
{
    struct client_target *target = upstream->target;

    timer_stop(&upstream->idle);
    if (list_is_linked(&upstream->link)) {
        list_remove(&upstream->link);
        target->idle_count--;
    }
    if (upstream->sock != NULL)
        h2o_socket_close(upstream->sock);
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
    if (options->idle_timeout_ms > 0)
        timer_start(pool->loop, &upstream->idle, options->idle_timeout_ms, on_idle_too_long);
}

struct client_pool *client_pool_new(struct loop *loop, const struct client_pool_options *options)
{
    struct client_pool *pool = mem_zalloc(sizeof(*pool));

    pool->loop = loop;
    pool->options = *options;
    return pool;
}

void client_pool_free(struct client_pool *pool)
{
    if (pool == NULL)
        return;
    pool->draining = true;
    close_idle(pool);
    for (size_t i = 0; i < BUCKETS; i++) {
        assert(pool->targets[i] == NULL);
        while (pool->tls_settings[i] != NULL) {
            struct tls_setting *setting = pool->tls_settings[i];

            pool->tls_settings[i] = setting->next;
            SSL_CTX_free(setting->context);
            free(setting->server_name);
            free(setting->ca_file);
            free(setting);
        }
    }
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
