#pragma once

/*
 * delivery_http - a sender that carries batches by HTTP: one request per batch, over kept connections.
 *
 * What the sink answers is not looked at, but for the status: below 300 is accepted, everything else (a
 * redirect as well) is a failure. The certificate of a sink is not verified (plugin reference, 19). Names are
 * resolved by libcurl, on threads of its own.
 *
 * Threads: making: any; all else: delivery's.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

struct delivery_sender;

/* What stands around the entries of a body. */
struct delivery_frame {
    struct str before, between, after;
};

struct delivery_http_options {
    const char *url;            /* without user information; copied */
    const char *method;         /* copied */
    const char *const *headers; /* whole lines, "Name: value"; copied */
    size_t header_count;
    int64_t timeout_ms;          /* of one try, connecting included; 0: a minute */
    int64_t keepalive_ms;        /* how long a connection may be idle and be used again */
    struct delivery_frame frame; /* texts are constants */
};

struct delivery_sender *delivery_http_new(const struct delivery_http_options *options);
