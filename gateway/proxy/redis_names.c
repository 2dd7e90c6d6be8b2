/*
 * redis_names - see redis_names.h.
 */

#include "gateway/proxy/redis_names.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/dns/resolver.h"
#include "gateway/proxy/inside.h"

struct question {
    struct resolver_query query;
    struct proxy_loop *at;
    int port;
    redis_found_fn found;
    void *owner;
};

static void on_done(struct resolver_query *query, const struct resolver_answer *answer)
{
    struct question *question = CONTAINER_OF(query, struct question, query);
    struct question asked = *question;
    struct sockaddr_storage address;

    free(question);
    if (answer->count == 0) {
        asked.found(asked.owner, NULL);
        return;
    }
    const struct resolver_address *found = &answer->addresses[resolver_answer_pick(answer, asked.at->turn++)];
    address = found->at;
    (void)network_set_port(&address, found->port != 0 ? found->port : asked.port);
    asked.found(asked.owner, &address);
}

static void *ask(void *arg, const char *host, int port, redis_found_fn found, void *owner)
{
    struct proxy_loop *at = arg;
    struct question *question = mem_alloc(sizeof(*question));

    *question = (struct question){
        .query = {.loop = at->loop, .use = RESOLVER_SERVICE, .on_done = on_done},
        .at = at,
        .port = port,
        .found = found,
        .owner = owner,
    };
    resolver_ask(at->proxy->resolver, str_of(host), &question->query);
    return question;
}

static void cancel(void *question)
{
    resolver_cancel(&((struct question *)question)->query);
    free(question);
}

struct redis_names redis_names_of(struct proxy_loop *at)
{
    return (struct redis_names){.ask = ask, .cancel = cancel, .arg = at};
}
