/*
 * raw_client - see raw_client.h.
 */

#include "gateway/http/raw_client.h"

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
    RAW_MAGIC = 0x72617763
};

struct raw_client {
    uint32_t magic;
    struct client_target *target; /* holds the TLS context; NULL: its settings cannot be used */
    struct client_dial dial;
    h2o_socket_t *sock;  /* NULL: not connected yet */
    struct buf leaving;  /* h2o writes it; untouched meanwhile */
    struct buf waiting;  /* leaves after that */
    struct timer failed; /* it could not even begin: told from the loop */
    struct raw_client_callbacks callbacks;
    void *arg;
    struct client_request request; /* `tls` and its name in what follows */
    struct client_tls tls;
    char name[];
};

void raw_client_cancel(struct raw_client *client)
{
    assert(client->magic == RAW_MAGIC);
    timer_stop(&client->failed);
    client_dial_stop(&client->dial);
    if (client->sock != NULL)
        h2o_socket_close(client->sock);
    if (client->target != NULL)
        client_target_release(client->target);
    buf_fini(&client->leaving);
    buf_fini(&client->waiting);
    client->magic = 0;
    free(client);
}

static void end(struct raw_client *client, const char *why)
{
    void (*on_end)(void *arg, const char *why) = client->callbacks.on_end;
    void *arg = client->arg;

    raw_client_cancel(client);
    on_end(arg, why);
}

static void on_read(h2o_socket_t *sock, const char *error)
{
    struct raw_client *client = sock->data;
    struct str bytes = {sock->input->bytes, sock->input->size};

    assert(client->magic == RAW_MAGIC);
    if (error != NULL) {
        end(client, "the connection was closed");
        return;
    }
    if (client->callbacks.on_bytes(client->arg, bytes))
        h2o_buffer_consume(&sock->input, bytes.len);
}

static void write_waiting(struct raw_client *client);

static void on_written(h2o_socket_t *sock, const char *error)
{
    struct raw_client *client = sock->data;

    assert(client->magic == RAW_MAGIC);
    buf_clear(&client->leaving);
    if (error != NULL)
        end(client, "the connection was closed");
    else
        write_waiting(client);
}

static void write_waiting(struct raw_client *client)
{
    struct buf empty = client->leaving;

    if (client->waiting.len == 0)
        return;
    client->leaving = client->waiting;
    client->waiting = empty;
    h2o_iovec_t piece = h2o_iovec_init(client->leaving.at, client->leaving.len);
    h2o_socket_write(client->sock, &piece, 1, on_written);
}

void raw_client_send(struct raw_client *client, struct buf *bytes)
{
    bool is_free = client->leaving.len == 0;

    assert(client->magic == RAW_MAGIC && client->sock != NULL);
    buf_add(&client->waiting, bytes->at, bytes->len);
    buf_clear(bytes);
    if (is_free)
        write_waiting(client);
}

size_t raw_client_unsent(const struct raw_client *client)
{
    return client->leaving.len + client->waiting.len;
}

static void on_connected(struct client_dial *dial, h2o_socket_t *sock)
{
    struct raw_client *client = CONTAINER_OF(dial, struct raw_client, dial);

    client->sock = sock;
    sock->data = client;
    h2o_socket_read_start(sock, on_read);
    client->callbacks.on_open(client->arg);
}

static void on_failed(struct client_dial *dial, enum client_failure failure)
{
    end(CONTAINER_OF(dial, struct raw_client, dial), client_failure_text(failure));
}

static void on_not_begun(struct timer *timer)
{
    struct raw_client *client = CONTAINER_OF(timer, struct raw_client, failed);

    end(client, client->target == NULL ? "its TLS settings cannot be used" : "no connection can be begun");
}

static bool begin(struct raw_client *client, struct client_pool *pool)
{
    enum client_failure failure;

    client->target = client_pool_hold(pool, &client->request);
    if (client->target == NULL)
        return false;
    client->dial = (struct client_dial){
        .loop = client_pool_loop(pool),
        .request = &client->request,
        .tls = client_target_tls(client->target),
        .on_connected = on_connected,
        .on_failed = on_failed,
    };
    return client_dial_start(&client->dial, &failure);
}

struct raw_client *raw_client_start(struct client_pool *pool, const struct client_request *request,
                                    const struct raw_client_callbacks *callbacks, void *arg)
{
    struct str name = request->tls != NULL ? request->tls->server_name : STR_NONE;
    struct raw_client *client = mem_zalloc(sizeof(*client) + name.len);

    client->magic = RAW_MAGIC;
    client->callbacks = *callbacks;
    client->arg = arg;
    client->request = *request;
    if (request->tls != NULL) {
        client->tls = *request->tls;
        client->request.tls = &client->tls;
        if (name.at != NULL)
            client->tls.server_name.at = memcpy(client->name, name.at, name.len);
    }
    if (!begin(client, pool))
        timer_start(client_pool_loop(pool), &client->failed, 0, on_not_begun);
    return client;
}
