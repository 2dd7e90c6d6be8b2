#pragma once

/*
 * client_dial - a connection to an upstream being made: TCP, then TLS when that is wanted. For this folder
 * only.
 *
 * Threads: the loop's.
 */

#include <h2o.h>

#include "gateway/base/attributes.h"
#include "gateway/http/client.h"

struct client_dial {
    h2o_socket_t *sock; /* NULL: none, or given away */
    struct loop *loop;
    const struct client_request *request;
    SSL_CTX *tls; /* NULL: plain */
    SSL *ssl;     /* h2o's, of the socket; NULL: plain, or not yet */
    void (*on_connected)(struct client_dial *dial, h2o_socket_t *sock);
    void (*on_failed)(struct client_dial *dial, enum client_failure failure);
};

/* Once, of each context that is going to be in `tls`. */
void client_dial_prepare(SSL_CTX *tls);

/*
 * The members but `sock` and `ssl` are filled in. Callbacks come from the loop, one of them, once;
 * on_connected gives the socket away. false: it could not even begin, *failure says why, nothing will be
 * called.
 */
bool client_dial_start(struct client_dial *dial, enum client_failure *failure) MUST_CHECK;
/* Nothing is called any more. Fine at any time. */
void client_dial_stop(struct client_dial *dial);
