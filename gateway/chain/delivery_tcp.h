#pragma once

/*
 * delivery_tcp - a sender that carries entries over one kept connection, by TLS if that is asked for.
 *
 * What the sink sends is read and forgotten. Its certificate is not verified (plugin reference, 20). A batch
 * counts as delivered when the machine has taken its last byte; TCP tells nobody whether the sink has read
 * it. One that was broken off is sent again as a whole, over a new connection.
 *
 * Threads: making: any; all else: delivery's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/str.h"

struct delivery_sender;

struct delivery_tcp_options {
    const char *host; /* copied, as is tls_name */
    int port;
    bool tls;
    const char *tls_name; /* told to the sink (SNI); NULL: `host`, unless that is an address */
    int64_t timeout_ms;   /* of one try, connecting included; 0: a minute */
    int64_t keepalive_ms; /* how long a connection may be idle and be used again */
    struct str behind;    /* each entry; a constant */
};

struct delivery_sender *delivery_tcp_new(const struct delivery_tcp_options *options);
