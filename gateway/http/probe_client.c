/*
 * probe_client - see probe_client.h.
 */

#include "gateway/http/probe_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <h2o.h>

#include "gateway/base/mem.h"
#include "gateway/http/client_dial.h"
#include "gateway/http/client_pool.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

enum {
    PROBE_MAGIC = 0x70726f62,
    LONGEST_STATUS_LINE = 4096,
};

struct probe_client {
    uint32_t magic;
    struct client_target *target; /* holds the TLS context; NULL: its settings cannot be used */
    struct client_dial dial;
    h2o_socket_t *sock;           /* connected; NULL: not yet */
    enum probe_outcome timed_out; /* what the timer reports */
    struct timer timer;
    probe_done_fn on_done;
    void *arg;
    struct client_request request; /* `tls` and its name and `head` in what follows */
    struct client_tls tls;
    char bytes[];
};

static void end(struct probe_client *probe)
{
    timer_stop(&probe->timer);
    client_dial_stop(&probe->dial);
    if (probe->sock != NULL)
        h2o_socket_close(probe->sock);
    if (probe->target != NULL)
        client_target_release(probe->target);
    probe->magic = 0;
    free(probe);
}

static void finish(struct probe_client *probe, enum probe_outcome outcome, int status)
{
    probe_done_fn on_done = probe->on_done;
    void *arg = probe->arg;

    end(probe);
    on_done(arg, outcome, status);
}

static void on_due(struct timer *timer)
{
    struct probe_client *probe = CONTAINER_OF(timer, struct probe_client, timer);

    finish(probe, probe->timed_out, 0);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* "HTTP/1.0 200 OK"; servers that omit the reason or put more blanks are understood. 0: it is none. */
static int status_of(struct str line)
{
    const struct str start = STR("HTTP/");
    size_t at = start.len;

    if (!str_starts_with(line, start))
        return 0;
    while (at < line.len && (is_digit(line.at[at]) || line.at[at] == '.'))
        at++;
    size_t version_end = at;
    while (at < line.len && line.at[at] == ' ')
        at++;
    if (version_end == start.len || at == version_end || line.len - at < 3 || line.at[at] < '1')
        return 0;
    for (size_t i = 0; i < 3; i++)
        if (!is_digit(line.at[at + i]))
            return 0;
    if (line.len - at > 3 && is_digit(line.at[at + 3]))
        return 0;
    return (line.at[at] - '0') * 100 + (line.at[at + 1] - '0') * 10 + (line.at[at + 2] - '0');
}

static void on_read(h2o_socket_t *sock, const char *error)
{
    struct probe_client *probe = sock->data;
    struct str came = {sock->input->bytes, sock->input->size};

    assert(probe->magic == PROBE_MAGIC);
    size_t line_end = came.len > 0 ? str_find(came, '\n', 0) : SIZE_MAX;
    if (line_end == SIZE_MAX && error == NULL && came.len < LONGEST_STATUS_LINE)
        return;
    if (line_end == SIZE_MAX && error != NULL) {
        finish(probe, PROBE_REFUSED, 0);
        return;
    }
    int status = line_end != SIZE_MAX ? status_of(str_part(came, 0, line_end)) : 0;
    finish(probe, status != 0 ? PROBE_ANSWERED : PROBE_UNREADABLE, status);
}

/* If it failed, reading tells. */
static void on_written(h2o_socket_t *sock, const char *error)
{
    (void)sock;
    (void)error;
}

/* The kernel may give a connection to a port of our own range that very port: it then talks to itself. */
static bool is_connected_to_itself(h2o_socket_t *sock)
{
    struct sockaddr_storage own = {0};
    struct sockaddr_storage peer = {0};
    socklen_t own_length = sizeof(own);
    socklen_t peer_length = sizeof(peer);
    int fd = h2o_socket_get_fd(sock);

    return getsockname(fd, (struct sockaddr *)&own, &own_length) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0 && own_length == peer_length &&
           memcmp(&own, &peer, own_length) == 0;
}

static void on_connected(struct client_dial *dial, h2o_socket_t *sock)
{
    struct probe_client *probe = CONTAINER_OF(dial, struct probe_client, dial);
    h2o_iovec_t piece = h2o_iovec_init(probe->request.head.at, probe->request.head.len);

    assert(probe->magic == PROBE_MAGIC);
    probe->sock = sock;
    sock->data = probe;
    if (is_connected_to_itself(sock)) {
        finish(probe, PROBE_REFUSED, 0);
    } else if (probe->request.head.at == NULL) {
        finish(probe, PROBE_CONNECTED, 0);
    } else {
        h2o_socket_read_start(sock, on_read);
        h2o_socket_write(sock, &piece, 1, on_written);
    }
}

static void on_failed(struct client_dial *dial, enum client_failure failure)
{
    (void)failure; /* refused, or the handshake */
    finish(CONTAINER_OF(dial, struct probe_client, dial), PROBE_REFUSED, 0);
}

static char *keep(char *to, struct str text)
{
    if (text.len > 0)
        memcpy(to, text.at, text.len);
    return to;
}

/* What the caller has lent, in the probe's own memory. */
static void copy_request(struct probe_client *probe, const struct client_request *request)
{
    probe->request = *request;
    if (request->head.at != NULL)
        probe->request.head.at = keep(probe->bytes, request->head);
    if (request->tls == NULL)
        return;
    probe->tls = *request->tls;
    probe->request.tls = &probe->tls;
    if (request->tls->server_name.at != NULL)
        probe->tls.server_name.at = keep(probe->bytes + request->head.len, request->tls->server_name);
}

/* PROBE_TIMED_OUT: it has begun. */
static enum probe_outcome begin(struct probe_client *probe, struct client_pool *pool)
{
    enum client_failure failure;

    probe->target = client_pool_hold(pool, &probe->request);
    if (probe->target == NULL)
        return PROBE_REFUSED; /* as a handshake that fails */
    probe->dial = (struct client_dial){
        .loop = client_pool_loop(pool),
        .request = &probe->request,
        .tls = client_target_tls(probe->target),
        .on_connected = on_connected,
        .on_failed = on_failed,
    };
    if (client_dial_start(&probe->dial, &failure))
        return PROBE_TIMED_OUT;
    return failure == CLIENT_SHORTAGE ? PROBE_NOT_MADE : PROBE_REFUSED;
}

struct probe_client *probe_client_start(struct client_pool *pool, const struct client_request *request,
                                        probe_done_fn on_done, void *arg)
{
    size_t name_length = request->tls != NULL ? request->tls->server_name.len : 0;
    struct probe_client *probe = mem_zalloc(sizeof(*probe) + request->head.len + name_length);

    probe->magic = PROBE_MAGIC;
    probe->on_done = on_done;
    probe->arg = arg;
    copy_request(probe, request);
    probe->timed_out = begin(probe, pool);
    timer_start(client_pool_loop(pool), &probe->timer,
                probe->timed_out == PROBE_TIMED_OUT ? request->connect_ms : 0, on_due);
    return probe;
}

void probe_client_cancel(struct probe_client *probe)
{
    assert(probe->magic == PROBE_MAGIC);
    end(probe);
}
