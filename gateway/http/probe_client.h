#pragma once

/*
 * probe_client - asks a server whether it is well: one connection, at most one request, one status line.
 *
 * The connection is never kept, and of the answer nothing but the status is read. One deadline covers it all.
 *
 * Threads: the loop. on_done comes once, from the loop, never from inside probe_client_start().
 */

#include "gateway/http/client.h"

struct probe_client;

enum probe_outcome {
    PROBE_CONNECTED, /* and nothing was to be asked */
    PROBE_ANSWERED,  /* with a status */
    PROBE_REFUSED,   /* no connection, a failed handshake, or cut off before the status line */
    PROBE_TIMED_OUT,
    PROBE_UNREADABLE, /* what came is no status line */
    PROBE_NOT_MADE,   /* no descriptor, port or memory of ours: it says nothing about the server */
};

/* status: of PROBE_ANSWERED, else 0. */
typedef void (*probe_done_fn)(void *arg, enum probe_outcome outcome, int status);

/*
 * Uses of the request: address, tls, head (at == NULL: to be connected is enough), and connect_ms, which is
 * for everything. Copied, but for what TLS refers to beside the name. The pool lends its TLS contexts and
 * lives longer.
 */
struct probe_client *probe_client_start(struct client_pool *pool, const struct client_request *request,
                                        probe_done_fn on_done, void *arg);
/* Before on_done, which will not come any more. */
void probe_client_cancel(struct probe_client *probe);
