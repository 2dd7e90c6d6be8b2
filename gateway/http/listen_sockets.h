#pragma once

/*
 * listen_sockets - listening sockets by address, and the set in which they outlive whoever accepts from them.
 *
 * A supervisor binds the addresses and starts workers, each of which inherits the set by fork(2) and takes
 * the sockets out of its copy. Bound sockets refuse clients; from the first take on they listen, and
 * connections wait in their queues while one worker has ended and the next has not begun to accept.
 *
 * Threads: one caller, before there are others.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct listen_address;
struct listen_sockets;

struct listen_sockets *listen_sockets_new(void);
/* Closes what nobody has taken. NULL is fine. */
void listen_sockets_free(struct listen_sockets *sockets);

/* Adds a socket that the program before this one has left open; owned from now on. */
void listen_sockets_adopt(struct listen_sockets *sockets, int fd);
/* Binds the address, or uses the adopted socket that is bound to it. */
bool listen_sockets_bind(struct listen_sockets *sockets, const struct listen_address *address,
                         struct err *err) MUST_CHECK;
/* Closes adopted sockets of addresses that are not used any more. */
void listen_sockets_drop_unused(struct listen_sockets *sockets);
/* The descriptors in the set, for the program after this one. `at` stays below listen_sockets_count(). */
size_t listen_sockets_count(const struct listen_sockets *sockets);
int listen_sockets_at(const struct listen_sockets *sockets, size_t at);

/*
 * Takes the address's socket out of the set, or makes one if the set (which may be NULL) has none, and
 * listens. The caller owns *fd. Clients that take nothing for write_timeout_ms are dropped; 0: never.
 */
bool listen_sockets_take(struct listen_sockets *sockets, const struct listen_address *address,
                         int write_timeout_ms, int *fd, struct err *err) MUST_CHECK;
/* The port a listening socket really has. */
int listen_socket_port(int fd);
/*
 * Nobody can connect any more, though the socket still listens: what is in its queue, and handshakes that
 * have begun, can be accepted before it is closed, which would reset them.
 */
void listen_socket_deafen(int fd);
