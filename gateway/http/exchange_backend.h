#pragma once

/*
 * exchange_backend - what speaks below an exchange: h2o (h2o_exchange.c), or a recorder without a socket
 * (exchange_recorder.c). For those files, exchange.c and client.c only.
 *
 * Threads: the exchange's loop.
 */

#include <stddef.h>
#include <stdint.h>

#include <h2o.h>

#include "gateway/http/exchange.h"

struct exchange_backend {
    void *(*alloc)(struct exchange *exchange, size_t size);
    void (*watch)(struct exchange *exchange, void (*on_gone)(struct exchange *exchange, void *arg),
                  void *arg);
    void (*reply)(struct exchange *exchange, const struct exchange_answer *answer, struct str body);
    void (*begin)(struct exchange *exchange, const struct exchange_answer *answer, int64_t length);
    void (*send)(struct exchange *exchange, struct str bytes, enum exchange_more more,
                 void (*on_sent)(struct exchange *exchange, void *arg), void *arg);
    /* Fills what it knows; the rest is zero. */
    void (*outcome)(const struct exchange *exchange, struct exchange_outcome *outcome);
    /* Answers 101 and joins the client's connection with `upstream`, whose owner this becomes. */
    void (*tunnel)(struct exchange *exchange, h2o_socket_t *upstream, const struct exchange_tunnel *options);
};

struct exchange {
    struct exchange_request request;
    const struct exchange_backend *backend;
    void *below; /* the backend's own */
    struct loop *loop;
    struct exchange_end *ends;
    const char *peer_subject, *peer_problem; /* as exchange.h says; they live as long */
};

/* The end has come: calls and forgets all that registered. */
void exchange_run_ends(struct exchange *exchange);
/* The phrase that usually goes with a status, NUL-terminated; "" for unknown ones. */
const char *exchange_reason(int status);
