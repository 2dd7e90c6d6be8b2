#pragma once

/*
 * lingering - closes a connection whose client may still be sending, so that it sees the answer.
 *
 * What arrives after close(2) is answered by a reset, at which most clients forget what they have received
 * (RFC 9112, section 9.6). libh2o 2.2.5 closes at once. So a duplicate of the descriptor outlives its close:
 * the end is sent, and what still comes is thrown away, up to a number of bytes and a time.
 *
 * Threads: the loop's.
 */

#include <stdbool.h>
#include <stddef.h>

#include <h2o.h>

#include "gateway/base/list.h"

struct lingering;
struct loop;

/* The lingering connections of a loop. */
struct lingering_room {
    struct loop *loop;
    struct list all;
    size_t count;
};

void lingering_room_init(struct lingering_room *room, struct loop *loop);
/* Closes them all. */
void lingering_room_fini(struct lingering_room *room);

/* Before `sock` is closed. NULL: the room is full, or there is no descriptor; it closes as it does. */
struct lingering *lingering_prepare(struct lingering_room *room, h2o_socket_t *sock);
/* `sock` is closed. NULL is fine. */
void lingering_begin(struct lingering *linger);
