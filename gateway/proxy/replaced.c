/*
 * replaced - see replaced.h.
 *
 * The answer waits for the end of what is dropped, for an exchange that ends takes the upstream's connection
 * with it. Usually that end has come with the head; if not, it is waited for as long as a connection is
 * worth. It never goes out from inside on_head, whose caller still looks at the client.
 */

#include "gateway/proxy/replaced.h"

#include <assert.h>

#include "gateway/proxy/inside.h"
#include "gateway/proxy/request.h"

enum {
    DROP_MAX_BYTES = 64 * 1024, /* what a new connection costs more than */
    DROP_MS = 20
};

void replaced_send(struct request *request)
{
    struct chain *chain = &request->chain;

    timer_stop(&request->nap);
    if (request->relay.client != NULL)
        client_cancel(request->relay.client);
    request->relay.client = NULL;
    request->whole = true;
    chain_body_filter(chain);
    exchange_reply(request->exchange, &chain->answer, chain->answer_body);
}

static void on_long_enough(struct timer *timer)
{
    struct request *request = CONTAINER_OF(timer, struct request, nap);

    assert(request->magic == REQUEST_MAGIC);
    replaced_send(request);
}

void replaced_begin(struct request *request, const struct client_head *head)
{
    struct relay *relay = &request->relay;
    bool is_worth_it = !head->upgraded && (!head->has_body || head->body_length <= DROP_MAX_BYTES);

    relay->replaced = true;
    if (head->upgraded)
        (void)headers_remove(&request->chain.answer.headers, STR("Upgrade"));
    if (!is_worth_it) {
        client_cancel(relay->client);
        relay->client = NULL;
    }
    timer_start(request->at->loop, &request->nap, is_worth_it ? DROP_MS : 0, on_long_enough);
}

void replaced_drop(struct request *request, struct str bytes, bool last)
{
    struct relay *relay = &request->relay;
    struct client *client = relay->client;

    relay->dropped_bytes += bytes.len;
    if (!last && relay->dropped_bytes > DROP_MAX_BYTES) {
        replaced_send(request);
        return;
    }
    if (last)
        relay->client = NULL; /* it ends here, and its connection is kept */
    client_consume(client);
    if (last)
        replaced_send(request);
}
