#pragma once

/*
 * at_once - bytes into a socket by one call, without libh2o: no callback, no turn of the loop for it.
 *
 * Threads: any.
 */

#include <stddef.h>

#include <h2o.h>

enum {
    AT_ONCE_PIECES = 2
};

/*
 * Writes what the kernel takes of at most AT_ONCE_PIECES pieces, without waiting, and takes it off their
 * front. Returns how many pieces are left for h2o_socket_write(), which also reports whatever was wrong here.
 */
size_t at_once_write(h2o_socket_t *sock, h2o_iovec_t *pieces, size_t count);
