/*
 * tunnel - see tunnel.h. A direction stops reading while what it has read is being written: that is its
 * back-pressure, and why an end of file is seen only after everything before it went across.
 */

#include "gateway/http/tunnel.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/base/mem.h"
#include "gateway/http/exchange_backend.h"
#include "gateway/http/socket_option.h"
#include "gateway/io/timer.h"

struct side {
    struct tunnel *tunnel;
    h2o_socket_t *sock;
    struct side *other;
    size_t writing; /* bytes of the other side's input on their way out here */
    uint64_t written;
    bool tls;
    bool ended; /* it sends no more */
};

struct tunnel {
    struct loop *loop;
    struct side client, upstream;
    struct timer idle;
    int idle_ms;
    void (*on_end)(void *arg, const struct exchange_tunnel_sum *sum);
    void *on_end_arg;
    struct tunnel **slot;
};

static void on_idle(struct timer *timer)
{
    tunnel_close(CONTAINER_OF(timer, struct tunnel, idle));
}

static void note_progress(struct tunnel *tunnel)
{
    if (tunnel->idle_ms > 0)
        timer_start(tunnel->loop, &tunnel->idle, tunnel->idle_ms, on_idle);
}

static void on_readable(h2o_socket_t *sock, const char *error);

static void on_written(h2o_socket_t *sock, const char *error)
{
    struct side *to = sock->data;

    if (error != NULL) {
        tunnel_close(to->tunnel);
        return;
    }
    note_progress(to->tunnel);
    h2o_buffer_consume(&to->other->sock->input, to->writing);
    to->written += to->writing;
    to->writing = 0;
    h2o_socket_read_start(to->other->sock, on_readable);
}

static void pump(struct side *from)
{
    struct side *to = from->other;
    h2o_iovec_t bytes = h2o_iovec_init(from->sock->input->bytes, from->sock->input->size);

    note_progress(from->tunnel);
    if (bytes.len == 0) {
        h2o_socket_read_start(from->sock, on_readable);
        return;
    }
    h2o_socket_read_stop(from->sock);
    to->writing = bytes.len;
    h2o_socket_write(to->sock, &bytes, 1, on_written);
}

/* This side has said all it will say. */
static void pass_end_on(struct side *from)
{
    struct side *to = from->other;

    from->ended = true;
    h2o_socket_read_stop(from->sock);
    if (to->ended || to->tls || shutdown(h2o_socket_get_fd(to->sock), SHUT_WR) != 0)
        tunnel_close(from->tunnel);
}

/* h2o would read all there is. NULL: bytes came, or nothing yet. */
static const char *read_piece(h2o_socket_t *sock)
{
    h2o_iovec_t room = h2o_buffer_reserve(&sock->input, TUNNEL_PIECE_BYTES);
    ssize_t count;

    if (room.base == NULL)
        return h2o_socket_error_out_of_memory;
    do
        count = recv(h2o_socket_get_fd(sock), room.base,
                     room.len < TUNNEL_PIECE_BYTES ? room.len : TUNNEL_PIECE_BYTES, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return errno == EAGAIN ? NULL : h2o_socket_error_io;
    sock->input->size += (size_t)count;
    return count == 0 ? h2o_socket_error_closed : NULL;
}

static void on_readable(h2o_socket_t *sock, const char *error)
{
    struct side *from = sock->data;

    if (error == NULL && !from->tls)
        error = read_piece(sock);
    if (error == h2o_socket_error_closed)
        pass_end_on(from);
    else if (error != NULL)
        tunnel_close(from->tunnel);
    else
        pump(from);
}

static void take_side(struct tunnel *tunnel, struct side *side, struct side *other, h2o_socket_t *sock)
{
    *side = (struct side){.tunnel = tunnel, .sock = sock, .other = other, .tls = sock->ssl != NULL};
    h2o_socket_dont_read(sock, side->tls ? 0 : 1);
    if (side->tls)
        socket_option_limit_buffer(sock);
    sock->data = side;
}

void tunnel_start(struct loop *loop, h2o_socket_t *client, h2o_socket_t *upstream,
                  const struct exchange_tunnel *options, struct tunnel **slot)
{
    struct tunnel *tunnel = mem_zalloc(sizeof(*tunnel));

    tunnel->loop = loop;
    tunnel->idle_ms = options->idle_ms;
    tunnel->on_end = options->on_end;
    tunnel->on_end_arg = options->arg;
    tunnel->slot = slot;
    take_side(tunnel, &tunnel->client, &tunnel->upstream, client);
    take_side(tunnel, &tunnel->upstream, &tunnel->client, upstream);
    *slot = tunnel;
    pump(&tunnel->client);
    pump(&tunnel->upstream);
}

void tunnel_close(struct tunnel *tunnel)
{
    const struct exchange_tunnel_sum sum = {tunnel->client.written, tunnel->upstream.written};

    *tunnel->slot = NULL;
    timer_stop(&tunnel->idle);
    h2o_socket_close(tunnel->upstream.sock);
    h2o_socket_close(tunnel->client.sock);
    if (tunnel->on_end != NULL)
        tunnel->on_end(tunnel->on_end_arg, &sum);
    free(tunnel);
}
