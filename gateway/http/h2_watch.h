#pragma once

/*
 * h2_watch - what a client may do to us over HTTP/2, which libh2o 2.2.5 does not bound (h2o.md section 11).
 * For listener.c, h2o_exchange.c and tls.c.
 *
 * - Requests taken back before they were answered: by RST_STREAM ("rapid reset"), or by frames that make us
 *   reset ("MadeYouReset"). Beyond a number, and more than half of all, the connection is cut.
 * - Heads that do not end (CONTINUATION), and bodies of many requests at a time: what has come in without
 *   being part of a request that runs has a bound.
 * - Time: idle, head and body of a request share one deadline, as under HTTP/1; PING and SETTINGS are no
 *   reason to stay. A client that opens no window for an answer is given up like one that reads nothing.
 *
 * Looks at all such connections every few milliseconds, while there are any.
 *
 * Threads: the loop's.
 */

#include <stdbool.h>
#include <stddef.h>

struct front_connection;
struct front_loop;
struct ssl_st;

/* The connection speaks HTTP/2 from now on. */
void h2_watch_start(struct front_connection *connection, struct ssl_st *ssl);
/* Nothing of it is listened to any more; it closes with the next read. */
void h2_watch_cut(struct front_connection *connection, const char *why);

/* An exchange begins, whose head and body are that large; false: none may. */
bool h2_watch_begin(struct front_connection *connection, size_t bytes);
/* It has ended. answered: the client let it. */
void h2_watch_end(struct front_connection *connection, bool answered);

/* Says GOAWAY to all: what runs may end, nothing else begins. */
void h2_watch_drain(struct front_loop *at);
/* Its last connection is closed. */
void h2_watch_end_loop(struct front_loop *at);
/* It is closed. */
void h2_watch_forget(struct front_connection *connection);
