#pragma once

/*
 * raw_client - bytes to and from a server that speaks something other than HTTP, over TCP or TLS.
 *
 * What is sent while a write is under way leaves with the next one. There are no deadlines here: whoever
 * speaks the protocol knows what he waits for.
 *
 * Threads: the loop. Callbacks come from the loop, never from inside raw_client_start() or raw_client_send().
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"
#include "gateway/http/client.h"

struct raw_client;

struct raw_client_callbacks {
    void (*on_open)(void *arg); /* connected, handshake included */
    /* The bytes are valid during the call. false: it has cancelled the client. */
    bool (*on_bytes)(void *arg, struct str bytes);
    void (*on_end)(void *arg, const char *why); /* refused, failed or closed. The client is gone */
};

/*
 * Uses of the request: address, tls, write_ms (how long the system's own time-outs may take). Copied, but for
 * what TLS refers to beside the name. The pool lends its TLS contexts and lives longer.
 */
struct raw_client *raw_client_start(struct client_pool *pool, const struct client_request *request,
                                    const struct raw_client_callbacks *callbacks, void *arg);
/* After on_open. Takes the bytes; the buffer is empty afterwards. Bounding them is the caller's. */
void raw_client_send(struct raw_client *client, struct buf *bytes);
/* Not yet taken by the system. */
size_t raw_client_unsent(const struct raw_client *client);
/* Closes it; nothing is called any more. */
void raw_client_cancel(struct raw_client *client);
