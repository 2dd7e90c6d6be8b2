/*
 * listener - see listener.h.
 *
 * Every server is an h2o host of its own, and every listening socket names exactly one, so that no Host
 * header leads from one server to another. Sockets are opened once; loops register duplicates and accept in
 * small batches. At the cap of connections a loop stops accepting: at EMFILE a level-triggered listener would
 * spin.
 */

#include "gateway/http/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <h2o.h>
#include <h2o/http1.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/http/front.h"
#include "gateway/http/h2_watch.h"
#include "gateway/http/listen_sockets.h"
#include "gateway/http/proxy_line.h"
#include "gateway/http/tls.h"
#include "gateway/http/tunnel.h"

enum {
    NEVER_MS = 24 * 60 * 60 * 1000,
    ACCEPTS_PER_TURN = 16,
    DEFAULT_HEAD_BYTES = 32 * 1024,
    LINE_BYTES = 8 * 1024,
    SPARE_DESCRIPTORS = 128,
    MOST_DESCRIPTORS = 1 << 20,
    DEFAULT_BODY_BYTES = 1024 * 1024 * 1024,
    SWEEP_MS = 100,
    LAST_ACCEPTS_MS = 200, /* longer than the last step of a handshake takes to come */
    RETRY_MS = 100,
    LAST_TURNS = 100, /* of 10 ms, for connections to close when a loop ends */
};

static void on_accept(h2o_socket_t *listener, const char *error);

static void set_accepting(struct front_loop *at, bool accepting)
{
    at->paused = !accepting;
    for (size_t i = 0; i < at->listener_count; i++) {
        if (at->listeners[i].sock == NULL)
            continue;
        if (accepting)
            h2o_socket_read_start(at->listeners[i].sock, on_accept);
        else
            h2o_socket_read_stop(at->listeners[i].sock);
    }
}

static void tell_if_empty(struct front_loop *at)
{
    void (*on_empty)(void *) = at->on_empty;

    if (!at->draining || at->listening || at->connection_count > 0)
        return;
    timer_stop(&at->sweep);
    at->on_empty = NULL;
    if (on_empty != NULL)
        on_empty(at->on_empty_arg);
}

static void on_close(void *arg)
{
    struct front_connection *connection = arg;
    struct front_loop *at = connection->at;

    list_remove(&connection->link);
    lingering_begin(connection->lingering);
    proxy_line_free(connection->proxy_line);
    h2_watch_forget(connection);
    free(connection->server_name);
    free(connection->peer_subject);
    free(connection);
    at->connection_count--;
    metrics_add(METRIC_CONNECTIONS_ACTIVE, -1);
    (void)atomic_fetch_sub_explicit(&at->active, 1, memory_order_relaxed);
    if (at->paused && !at->draining && at->connection_count < at->front->options.max_connections)
        set_accepting(at, true);
    tell_if_empty(at);
}

static void on_retry(struct timer *timer)
{
    struct front_loop *at = CONTAINER_OF(timer, struct front_loop, retry);

    if (at->paused && !at->draining)
        set_accepting(at, true);
}

/* Nothing was accepted. Short of descriptors or memory, the listener would report the same at once, for ever.
 * The shortage is over when nobody waits any more.
 */
static void pause_if_short(struct front_loop *at, int why)
{
    if (why == EAGAIN && at->shortages > 0) {
        log_notice("http: connections are accepted again; pauses=%" PRIu64, at->shortages);
        at->shortages = 0;
    }
    if (why != EMFILE && why != ENFILE && why != ENOBUFS && why != ENOMEM)
        return;
    if (at->shortages++ == 0)
        log_warn("http: no connection can be accepted for now; error=%s", strerror(why));
    set_accepting(at, false);
    timer_start(at->loop, &at->retry, RETRY_MS, on_retry);
}

static void begin(struct front_connection *connection)
{
    h2o_accept(&connection->listener->accept, connection->sock);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct front_listener *from = listener->data;
    struct front_loop *at = from->at;

    (void)error; /* not set for listeners */
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (at->connection_count >= at->front->options.max_connections) {
            set_accepting(at, false);
            return;
        }
        errno = 0;
        h2o_socket_t *sock = h2o_evloop_socket_accept(listener);
        if (sock == NULL) {
            pause_if_short(at, errno);
            return;
        }
        struct front_connection *connection = mem_zalloc(sizeof(*connection));
        connection->at = at;
        connection->listener = from;
        connection->server = from->server;
        connection->sock = sock;
        connection->tls = from->accept.ssl_ctx != NULL;
        list_init(&connection->exchanges);
        list_add_last(&at->connections, &connection->link);
        sock->on_close.cb = on_close;
        sock->on_close.data = connection;
        at->connection_count++;
        metrics_add(METRIC_CONNECTIONS_ACCEPTED, 1);
        metrics_add(METRIC_CONNECTIONS_ACTIVE, 1);
        (void)atomic_fetch_add_explicit(&at->accepted, 1, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&at->active, 1, memory_order_relaxed);
        if (from->proxy_protocol)
            proxy_line_await(connection, begin);
        else
            begin(connection);
    }
}

/* While one descriptor of it is open a socket listens, and clients would wait in its queue for nobody. */
static void close_addresses(struct http_front *front)
{
    for (size_t i = 0; i < front->server_count; i++) {
        struct front_server *server = front->servers[i];

        for (size_t j = 0; j < server->address_count; j++) {
            close(server->addresses[j].fd);
            server->addresses[j].fd = -1;
        }
    }
}

static void close_listeners(struct front_loop *at)
{
    for (size_t i = 0; i < at->listener_count; i++) {
        if (at->listeners[i].sock != NULL)
            h2o_socket_close(at->listeners[i].sock);
        at->listeners[i].sock = NULL;
    }
    if (!at->listening)
        return;
    at->listening = false;
    /* Pairs with itself: the last loop closes what all others have let go of. */
    if (atomic_fetch_sub_explicit(&at->front->listening, 1, memory_order_acq_rel) == 1)
        close_addresses(at->front);
}

static bool is_idle(const struct front_connection *connection)
{
    return list_is_empty(&connection->exchanges) && connection->tunnel == NULL &&
           connection->sock->input->size == 0 && !h2o_socket_is_writing(connection->sock);
}

/* Not h2o_context_request_shutdown(): that also starts a second's timer for HTTP/2, which would outlive the
 * context. */
static void request_shutdown(struct front_loop *at)
{
    at->context.shutdown_requested = 1;
    h2_watch_drain(at);
}

/* A request that the kernel has and h2o has not would be lost. */
static bool has_unread(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* h2o leaves idle HTTP/1 connections to their timeout: their read side is shut, and h2o sees the end. */
static void close_if_idle(struct front_connection *connection)
{
    int fd = h2o_socket_get_fd(connection->sock);

    if (connection->h2.spoken) {
        if (!connection->at->draining && is_idle(connection))
            h2_watch_cut(connection, "its time is over");
        return; /* GOAWAY ends it */
    }
    if (is_idle(connection) && !has_unread(fd))
        (void)shutdown(fd, SHUT_RD); /* fails when the peer was faster */
}

/* Clients in the middle of their work get an answer with Connection: close; the others are not waited for. */
static void close_idle(struct front_loop *at)
{
    list_each (link, &at->connections) {
        struct front_connection *connection = CONTAINER_OF(link, struct front_connection, link);

        connection->idle_ms = is_idle(connection) ? connection->idle_ms + SWEEP_MS : 0;
        if (connection->idle_ms > at->idle_limit_ms)
            close_if_idle(connection);
    }
}

static void on_sweep(struct timer *timer)
{
    struct front_loop *at = CONTAINER_OF(timer, struct front_loop, sweep);

    if (loop_now_ms(at->loop) >= at->listen_until_ms)
        close_listeners(at);
    close_idle(at);
    timer_start(at->loop, &at->sweep, SWEEP_MS, on_sweep);
    tell_if_empty(at);
}

static void break_off(struct front_loop *at)
{
    struct list *next;

    for (struct list *link = at->connections.next; link != &at->connections; link = next) {
        struct front_connection *connection = CONTAINER_OF(link, struct front_connection, link);

        next = link->next;
        if (connection->tunnel != NULL) {
            tunnel_close(connection->tunnel);
            continue;
        }
        (void)shutdown(h2o_socket_get_fd(connection->sock), SHUT_RDWR); /* fails when it was done before */
        front_abandon_all(connection);
    }
}

/* The loop ends: what is still open is broken off, since its buffers belong to this thread. */
static void on_loop_end(struct loop_end *end)
{
    struct front_loop *at = CONTAINER_OF(end, struct front_loop, end);

    at->on_empty = NULL;
    at->draining = true;
    close_listeners(at);
    request_shutdown(at);
    for (int turn = 0; turn < LAST_TURNS && at->connection_count > 0; turn++) {
        break_off(at);
        loop_turn(at->loop, turn == 0 ? 0 : 10);
    }
    timer_stop(&at->sweep);
    timer_stop(&at->retry);
    timer_stop(&at->lost);
    spool_leave(&at->spool);
    lingering_room_fini(&at->lingering);
    loop_turn(at->loop, 0);
    if (at->connection_count > 0) {
        log_warn("http: connections left at the end of a loop; count=%d", at->connection_count);
        return;
    }
    h2_watch_end_loop(at);
    h2o_multithread_queue_t *queue = at->context.queue;
    h2o_context_dispose(&at->context);
    free(queue); /* h2o_multithread_destroy_queue() of 2.2.5 leaves this to nobody */
}

static void on_lost_due(struct timer *timer)
{
    front_refuse_lost(CONTAINER_OF(timer, struct front_loop, lost));
}

/* In the middle of a read: whose it is shows when that is over. */
static void on_lost(struct spool_listener *listener)
{
    struct front_loop *at = CONTAINER_OF(listener, struct front_loop, spool);

    timer_start(at->loop, &at->lost, 0, on_lost_due);
}

static void server_free(struct front_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < server->address_count; i++) {
        if (server->addresses[i].fd >= 0)
            close(server->addresses[i].fd);
    }
    SSL_CTX_free(server->tls);
    free(server->addresses);
    free(server->name);
    free(server);
}

static bool make_tls(struct front_server *server, const struct http_server_options *options, struct err *err)
{
    const struct tls_server files = {.certificates = options->certificate_file, .keys = options->key_file};

    if (options->tls == NULL)
        return tls_server_new(&files, &server->tls, NULL, err);
    (void)SSL_CTX_up_ref(options->tls);
    server->tls = options->tls;
    return true;
}

static bool open_address(struct http_front *front, const struct listen_address *address,
                         struct front_address *to, struct err *err)
{
    if (!listen_sockets_take(front->options.sockets, address, front->options.write_timeout_ms, &to->fd, err))
        return false;
    to->port = listen_socket_port(to->fd);
    to->tls = address->tls;
    to->proxy_protocol = address->proxy_protocol;
    return true;
}

static bool open_addresses(struct front_server *server, const struct http_server_options *options,
                           struct err *err)
{
    server->addresses = mem_zalloc((options->address_count + 1) * sizeof(*server->addresses));
    for (size_t i = 0; i < options->address_count; i++) {
        server->addresses[i].fd = -1;
        server->address_count++;
        if (!open_address(server->front, &options->addresses[i], &server->addresses[i], err))
            return err_wrap(err, "%s", options->name);
        server->addresses[i].http2 = options->addresses[i].http2 && options->addresses[i].tls;
        if (options->addresses[i].http2 && !options->addresses[i].tls)
            log_notice("http: HTTP/2 is offered with ssl only; server=%s port=%d", options->name,
                       server->addresses[i].port);
        if (options->addresses[i].tls && server->tls == NULL && !make_tls(server, options, err))
            return err_wrap(err, "%s", options->name);
    }
    return true;
}

/* h2o's own chunked filter comes with every path; exchanges frame their bodies themselves. */
static void remove_filters(h2o_pathconf_t *path)
{
    for (size_t i = 0; i < path->filters.size; i++)
        free(path->filters.entries[i]);
    path->filters.size = 0;
}

static void register_server(struct http_front *front, struct front_server *server, size_t number)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "server%zu", number);
    h2o_hostconf_t *host = h2o_config_register_host(&front->conf, h2o_iovec_init(name, strlen(name)), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct front_handler *handler = (void *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = front_on_request;
    handler->server = server;
    remove_filters(path);
    remove_filters(&host->fallback_path);
    path->error_log.emit_request_errors = 0;
    host->fallback_path.error_log.emit_request_errors = 0;
    front_dress_errors(server, &host->fallback_path);
    server->hosts[0] = host;
}

/* What a loop may have of the descriptors: clients are not the only ones who need them. */
static int cap_of(size_t share)
{
    struct rlimit files;
    size_t cap = 1024;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > (rlim_t)2 * SPARE_DESCRIPTORS)
        cap = (size_t)(files.rlim_cur < MOST_DESCRIPTORS ? files.rlim_cur : MOST_DESCRIPTORS) -
              SPARE_DESCRIPTORS;
    cap /= share > 0 ? share : 3;
    return cap > 0 ? (int)cap : 1;
}

static void set_limits(struct http_front *front)
{
    struct http_front_options *options = &front->options;

    front->limits.head_bytes = options->max_head_bytes > 0 ? options->max_head_bytes : DEFAULT_HEAD_BYTES;
    front->limits.raw_targets = options->raw_targets;
    if (options->max_body_bytes == 0)
        options->max_body_bytes = DEFAULT_BODY_BYTES;
    front->limits.line_bytes = front->limits.head_bytes < LINE_BYTES ? front->limits.head_bytes : LINE_BYTES;
    if (options->max_connections <= 0)
        options->max_connections = cap_of(options->descriptor_share);
}

struct http_front *http_front_new(const struct http_front_options *options)
{
    struct http_front *front = mem_zalloc(sizeof(*front));

    front->options = *options;
    front->lock = mem_alloc(sizeof(*front->lock));
    (void)pthread_mutex_init(front->lock, NULL); /* cannot fail with default attributes */
    set_limits(front);
    front_check_decoder();
    spool_check();
    h2o_config_init(&front->conf);
    front->conf.server_name = h2o_iovec_init(NULL, 0); /* answers bring their own Server line, or none */
    front->conf.http1.upgrade_to_http2 = 0;
    front->conf.http2.idle_timeout =
        NEVER_MS; /* it would also end answers that pause; h2_watch.c sees to it */
    if (options->request_timeout_ms > 0)
        front->conf.http1.req_timeout = (uint64_t)options->request_timeout_ms;
    /* h2o refuses a chunked body of exactly its limit; what is one byte too long is refused by us. */
    front->conf.max_request_entity_size = front->options.max_body_bytes + 1;
    if (options->spool_directory != NULL)
        spool_use(options->spool_directory);
    return front;
}

bool http_front_add(struct http_front *front, const struct http_server_options *options, struct err *err)
{
    struct front_server *server = mem_zalloc(sizeof(*server));

    server->front = front;
    server->name = mem_strdup(options->name);
    server->handle = options->handle;
    server->refuse = options->refuse;
    server->show = options->show;
    server->arg = options->arg;
    if (!open_addresses(server, options, err)) {
        server_free(server);
        return false;
    }
    register_server(front, server, front->server_count);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
    front->servers = mem_realloc(front->servers, (front->server_count + 1) * sizeof(*front->servers));
    front->servers[front->server_count++] = server;
    return true;
}

int http_front_port(const struct http_front *front, size_t server, size_t index)
{
    assert(server < front->server_count && index < front->servers[server]->address_count);
    return front->servers[server]->addresses[index].port;
}

static bool listen_on(struct front_loop *at, struct front_server *server, const struct front_address *address,
                      struct err *err)
{
    struct front_listener *listener = &at->listeners[at->listener_count];
    int fd = fcntl(address->fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return err_set(err, ERR_IO, "%s: cannot duplicate a listening socket: %s", server->name,
                       strerror(errno));
    listener->at = at;
    listener->server = server;
    listener->http2 = address->http2;
    listener->accept.ctx = &at->context;
    listener->accept.hosts = server->hosts;
    if (address->tls) {
        (void)SSL_CTX_up_ref(server->tls);
        listener->accept.ssl_ctx = server->tls;
    }
    listener->proxy_protocol = address->proxy_protocol;
    listener->sock = h2o_evloop_socket_create(loop_h2o(at->loop), fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->sock->data = listener;
    h2o_socket_read_start(listener->sock, on_accept);
    at->listener_count++;
    return true;
}

bool http_front_attach(struct http_front *front, struct loop *loop, struct err *err)
{
    size_t count = 0;
    bool listening = true;

    assert(loop_is_mine(loop));
    if (front->server_count == 0)
        return true; /* h2o makes no context without a host */
    struct front_loop *at = mem_zalloc(sizeof(*at));
    at->front = front;
    at->loop = loop;
    list_init(&at->connections);
    lingering_room_init(&at->lingering, loop);
    at->spool.on_lost = on_lost;
    spool_join(&at->spool);
    for (size_t i = 0; i < front->server_count; i++)
        count += front->servers[i]->address_count;
    at->listeners = mem_zalloc((count + 1) * sizeof(*at->listeners));
    h2o_context_init(&at->context, loop_h2o(loop), &front->conf);
    at->end.on_end = on_loop_end;
    loop_on_end(loop, &at->end);
    at->listening = true;
    (void)atomic_fetch_add_explicit(&front->listening, 1, memory_order_relaxed);
    (void)pthread_mutex_lock(front->lock);
    at->next = front->loops;
    front->loops = at;
    (void)pthread_mutex_unlock(front->lock);
    for (size_t i = 0; i < front->server_count && listening; i++) {
        for (size_t j = 0; j < front->servers[i]->address_count && listening; j++)
            listening = listen_on(at, front->servers[i], &front->servers[i]->addresses[j], err);
    }
    if (!listening)
        close_listeners(at);
    return listening;
}

static struct front_loop *find_loop(struct http_front *front, const struct loop *loop)
{
    struct front_loop *at;

    (void)pthread_mutex_lock(front->lock);
    for (at = front->loops; at != NULL && at->loop != loop; at = at->next)
        continue;
    (void)pthread_mutex_unlock(front->lock);
    return at;
}

void http_front_use_tls(struct http_front *front, struct loop *loop, size_t number, SSL_CTX *tls)
{
    struct front_loop *at = find_loop(front, loop);

    assert(loop_is_mine(loop) && number < front->server_count);
    const struct front_server *server = front->servers[number];
    if (at == NULL)
        return;
    for (size_t i = 0; i < at->listener_count; i++) {
        h2o_accept_ctx_t *accept = &at->listeners[i].accept;

        if (at->listeners[i].server != server || accept->ssl_ctx == NULL)
            continue;
        (void)SSL_CTX_up_ref(tls);
        SSL_CTX_free(accept->ssl_ctx);
        accept->ssl_ctx = tls;
    }
    list_each (link, &at->connections) {
        struct front_connection *connection = CONTAINER_OF(link, struct front_connection, link);

        if (connection->server != server || !connection->tls)
            continue;
        if (connection->peer_subject != NULL)
            connection->peer_problem = FRONT_AUTHORITIES_CHANGED;
        free(connection->peer_subject);
        connection->peer_subject = NULL;
        close_if_idle(connection);
    }
}

/* Who comes too late is refused as soon as the listener is closed; who has come is in its queue until then.
 */
static void turn_away_newcomers(struct front_loop *at)
{
    for (size_t i = 0; i < at->listener_count; i++)
        if (at->listeners[i].sock != NULL)
            listen_socket_deafen(h2o_socket_get_fd(at->listeners[i].sock));
    at->listen_until_ms = loop_now_ms(at->loop) + LAST_ACCEPTS_MS;
}

void http_front_drain(struct http_front *front, struct loop *loop, const struct http_drain *drain)
{
    struct front_loop *at = find_loop(front, loop);

    assert(loop_is_mine(loop));
    if (at == NULL) {
        if (drain->on_empty != NULL)
            drain->on_empty(drain->arg);
        return;
    }
    at->draining = true;
    at->on_empty = drain->on_empty;
    at->on_empty_arg = drain->arg;
    at->idle_limit_ms = drain->idle_ms;
    request_shutdown(at);
    if (drain->last_accepts)
        turn_away_newcomers(at);
    timer_start(loop, &at->sweep, 0, on_sweep);
}

void http_front_free(struct http_front *front)
{
    if (front == NULL)
        return;
    while (front->loops != NULL) {
        struct front_loop *at = front->loops;

        front->loops = at->next;
        for (size_t i = 0; i < at->listener_count; i++)
            SSL_CTX_free(at->listeners[i].accept.ssl_ctx);
        arena_stock_fini(&at->arenas);
        free(at->listeners);
        free(at);
    }
    h2o_config_dispose(&front->conf);
    for (size_t i = 0; i < front->server_count; i++)
        server_free(front->servers[i]);
    free(front->servers);
    (void)pthread_mutex_destroy(front->lock);
    free(front->lock);
    free(front);
}

void http_front_read_stats(const struct http_front *front, struct http_front_stats *stats)
{
    *stats = (struct http_front_stats){0};
    (void)pthread_mutex_lock(front->lock);
    for (struct front_loop *at = front->loops; at != NULL; at = at->next) {
        stats->accepted += atomic_load_explicit(&at->accepted, memory_order_relaxed);
        stats->active += atomic_load_explicit(&at->active, memory_order_relaxed);
        stats->requests += atomic_load_explicit(&at->requests, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(front->lock);
}
