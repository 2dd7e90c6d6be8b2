/*
 * tunnelled - see tunnelled.h.
 */

#include "gateway/proxy/tunnelled.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/balancer/peer.h"
#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/http/exchange.h"
#include "gateway/io/loop.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/settings.h"

struct held_line {
    struct access_line line;
    struct chain_try tries[CHAIN_TRIES_KEPT];
    char texts[];
};

/* Heap, since the request's memory goes when the tunnel begins. */
struct tunnelled {
    struct peer *peer;
    struct access_log *log;
    enum access_format format;
    int64_t received_us;
    struct held_line *held; /* NULL: nobody wants a line */
};

struct tunnelled *tunnelled_new(struct request *request, struct peer *peer)
{
    struct tunnelled *tunnelled = mem_zalloc(sizeof(*tunnelled));

    tunnelled->peer = peer;
    tunnelled->log = request->at->access;
    tunnelled->format = request->settings->access_format;
    tunnelled->received_us = exchange_request(request->exchange)->received_us;
    return tunnelled;
}

static void copy_tries(struct held_line *held)
{
    const struct chain_try *from = held->line.last_try;

    held->line.last_try = NULL;
    const struct chain_try **to = &held->line.last_try;
    for (size_t i = 0; from != NULL && i < COUNT(held->tries); i++, from = from->before) {
        held->tries[i] = *from;
        held->tries[i].before = NULL;
        *to = &held->tries[i];
        to = &held->tries[i].before;
    }
}

void tunnelled_hold(struct tunnelled *tunnelled, const struct access_line *line)
{
    struct access_line copy = *line;
    struct str *const texts[] = {&copy.request_id, &copy.client,      &copy.peer,     &copy.user,
                                 &copy.method,     &copy.scheme,      &copy.host,     &copy.target,
                                 &copy.route,      &copy.service,     &copy.consumer, &copy.tls,
                                 &copy.tls_cipher, &copy.server_name, &copy.agent,    &copy.referer};
    size_t size = 0;

    for (size_t i = 0; i < COUNT(texts); i++)
        size += texts[i]->len;
    struct held_line *held = mem_zalloc(sizeof(*held) + size);
    char *to = held->texts;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (texts[i]->len > 0)
            memcpy(to, texts[i]->at, texts[i]->len);
        if (texts[i]->at != NULL)
            texts[i]->at = to;
        to += texts[i]->len;
    }
    held->line = copy;
    copy_tries(held);
    tunnelled->held = held;
}

static void add_line(struct tunnelled *tunnelled, const struct exchange_tunnel_sum *sum)
{
    struct access_line *line = &tunnelled->held->line;
    const struct clock *clock = clock_system();

    line->ended_us = clock->wall_us(clock->arg);
    line->request_us = loop_clock_us() - tunnelled->received_us;
    line->bytes_in = (int64_t)sum->to_upstream;
    line->bytes_out = (int64_t)sum->to_client;
    access_log_add(tunnelled->log, tunnelled->format, line);
}

void tunnelled_end(void *arg, const struct exchange_tunnel_sum *sum)
{
    struct tunnelled *tunnelled = arg;

    if (tunnelled->held != NULL && access_log_is_on(tunnelled->log))
        add_line(tunnelled, sum);
    if (tunnelled->peer != NULL)
        peer_end(tunnelled->peer);
    free(tunnelled->held);
    free(tunnelled);
}
