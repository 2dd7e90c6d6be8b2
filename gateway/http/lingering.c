/*
 * lingering - see lingering.h.
 */

#include "gateway/http/lingering.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

enum {
    MOST = 256, /* of a loop: no more descriptors than that are lent to clients who were refused */
    MOST_MS = 20000,
    SILENT_MS = 5000,
    MOST_BYTES = 128 * 1024 * 1024,
    PIECE_BYTES = 64 * 1024,
    PIECES_PER_TURN = 16,
};

struct lingering {
    struct list link;
    struct lingering_room *room;
    int fd;             /* until it begins */
    h2o_socket_t *sock; /* from then on */
    struct timer timer;
    size_t bytes; /* thrown away */
    int64_t until_ms;
};

static void end(struct lingering *linger)
{
    timer_stop(&linger->timer);
    list_remove(&linger->link);
    linger->room->count--;
    if (linger->sock != NULL)
        h2o_socket_close(linger->sock);
    else
        (void)close(linger->fd);
    free(linger);
}

static void on_due(struct timer *timer)
{
    end(CONTAINER_OF(timer, struct lingering, timer));
}

static void await(struct lingering *lingering)
{
    struct loop *loop = lingering->room->loop;
    int64_t left_ms = lingering->until_ms - loop_now_ms(loop);

    if (left_ms > SILENT_MS)
        left_ms = SILENT_MS;
    timer_start(loop, &lingering->timer, left_ms > 0 ? left_ms : 0, on_due);
}

static void on_readable(h2o_socket_t *sock, const char *error)
{
    struct lingering *linger = sock->data;
    int fd = h2o_socket_get_fd(sock);
    ssize_t count = 1;

    (void)error; /* not set: h2o does not read */
    for (int i = 0; i < PIECES_PER_TURN && count > 0 && linger->bytes < MOST_BYTES; i++) {
        /* Without a place to put it: TCP then does not copy (tcp(7), MSG_TRUNC). */
        count = recv(fd, NULL, PIECE_BYTES, MSG_TRUNC | MSG_DONTWAIT);
        linger->bytes += count > 0 ? (size_t)count : 0;
    }
    if (count > 0 ? linger->bytes >= MOST_BYTES : count == 0 || (errno != EAGAIN && errno != EINTR))
        end(linger);
    else
        await(linger);
}

void lingering_room_init(struct lingering_room *room, struct loop *loop)
{
    *room = (struct lingering_room){.loop = loop};
    list_init(&room->all);
}

void lingering_room_fini(struct lingering_room *room)
{
    while (!list_is_empty(&room->all))
        end(CONTAINER_OF(room->all.next, struct lingering, link));
}

struct lingering *lingering_prepare(struct lingering_room *room, h2o_socket_t *sock)
{
    int fd = room->count < MOST ? fcntl(h2o_socket_get_fd(sock), F_DUPFD_CLOEXEC, 0) : -1;

    if (fd < 0)
        return NULL;
    struct lingering *linger = mem_zalloc(sizeof(*linger));
    linger->room = room;
    linger->fd = fd;
    list_add_last(&room->all, &linger->link);
    room->count++;
    return linger;
}

void lingering_begin(struct lingering *linger)
{
    if (linger == NULL)
        return;
    if (shutdown(linger->fd, SHUT_WR) != 0) { /* the client is gone */
        end(linger);
        return;
    }
    linger->sock =
        h2o_evloop_socket_create(loop_h2o(linger->room->loop), linger->fd, H2O_SOCKET_FLAG_DONT_READ);
    linger->sock->data = linger;
    linger->until_ms = loop_now_ms(linger->room->loop) + MOST_MS;
    await(linger);
    h2o_socket_read_start(linger->sock, on_readable);
}
