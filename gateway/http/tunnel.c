/*
 * tunnel - see tunnel.h. A direction stops reading while what it has read is being written: that is its
 * back-pressure, and why an end of file is seen only after everything before it went across.
 */

#include "gateway/http/tunnel.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/io/timer.h"

struct side {
    struct tunnel *tunnel;
    h2o_socket_t *sock;
    struct side *other;
    size_t writing; /* bytes of the other side's input on their way out here */
};

struct tunnel {
    struct loop *loop;
    struct side client, upstream;
    struct timer idle;
    int idle_ms;
    struct tunnel **slot;
};

static void on_idle(struct timer *timer)
{
    tunnel_close(CONTAINER_OF(timer, struct tunnel, idle));
}

static void on_readable(h2o_socket_t *sock, const char *error);

static void on_written(h2o_socket_t *sock, const char *error)
{
    struct side *to = sock->data;

    if (error != NULL) {
        tunnel_close(to->tunnel);
        return;
    }
    h2o_buffer_consume(&to->other->sock->input, to->writing);
    to->writing = 0;
    h2o_socket_read_start(to->other->sock, on_readable);
}

static void pump(struct side *from)
{
    struct side *to = from->other;
    h2o_iovec_t bytes = h2o_iovec_init(from->sock->input->bytes, from->sock->input->size);

    if (from->tunnel->idle_ms > 0)
        timer_start(from->tunnel->loop, &from->tunnel->idle, from->tunnel->idle_ms, on_idle);
    if (bytes.len == 0) {
        h2o_socket_read_start(from->sock, on_readable);
        return;
    }
    h2o_socket_read_stop(from->sock);
    to->writing = bytes.len;
    h2o_socket_write(to->sock, &bytes, 1, on_written);
}

static void on_readable(h2o_socket_t *sock, const char *error)
{
    struct side *from = sock->data;

    if (error != NULL)
        tunnel_close(from->tunnel);
    else
        pump(from);
}

void tunnel_start(struct loop *loop, h2o_socket_t *client, h2o_socket_t *upstream, int idle_ms,
                  struct tunnel **slot)
{
    struct tunnel *tunnel = mem_zalloc(sizeof(*tunnel));

    tunnel->loop = loop;
    tunnel->idle_ms = idle_ms;
    tunnel->slot = slot;
    tunnel->client = (struct side){tunnel, client, &tunnel->upstream, 0};
    tunnel->upstream = (struct side){tunnel, upstream, &tunnel->client, 0};
    client->data = &tunnel->client;
    upstream->data = &tunnel->upstream;
    *slot = tunnel;
    pump(&tunnel->client);
    pump(&tunnel->upstream);
}

void tunnel_close(struct tunnel *tunnel)
{
    *tunnel->slot = NULL;
    timer_stop(&tunnel->idle);
    h2o_socket_close(tunnel->upstream.sock);
    h2o_socket_close(tunnel->client.sock);
    free(tunnel);
}
