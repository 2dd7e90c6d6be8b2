#pragma once

/*
 * socket_option - what the kernel is told or asked about a connection and h2o has no word for.
 *
 * Threads: the loop's.
 */

#include <stdint.h>

#include <h2o.h>

/* A peer that acknowledges nothing for so long is given up by the kernel, also when nobody waits for it. 0:
 * its own patience. */
void socket_option_limit_silence(h2o_socket_t *sock, int64_t timeout_ms);
/*
 * For connections under TLS: h2o reads, at once, all that the kernel holds, which by itself grows to
 * megabytes for each connection whose other side is slow. So it holds at most about 200 KiB, which is also
 * what may be under way.
 */
void socket_option_limit_buffer(h2o_socket_t *sock);
/* Bytes that the other side has acknowledged since the connection was made; 0: not known. */
uint64_t socket_option_acknowledged(h2o_socket_t *sock);
