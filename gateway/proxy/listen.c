/*
 * listen - see listen.h.
 */

#include "gateway/proxy/listen.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/http/listen_sockets.h"

static bool read_address(const char *text, struct listen_address *address, struct err *err)
{
    struct config_listen listen;
    char reason[160];

    if (!config_parse_listen(text, &listen, reason))
        return err_set(err, ERR_INVALID, "'%s': %s", text, reason);
    *address = (struct listen_address){
        .host = listen.host,
        .port = listen.port,
        .tls = listen.ssl,
        .http2 = listen.http2,
        .proxy_protocol = listen.proxy_protocol,
        .reuseport = listen.reuseport,
        .deferred = listen.deferred,
        .bind = listen.bind,
        .ipv6only = listen.ipv6only,
        .backlog = listen.backlog,
    };
    return true;
}

bool listen_add(struct http_front *front, const struct http_server_options *server,
                const struct config_list *list, struct err *err)
{
    struct http_server_options options = *server;
    struct listen_address *addresses = mem_zalloc((list->count + 1) * sizeof(*addresses));
    bool ok = true;

    for (size_t i = 0; i < list->count && ok; i++)
        ok = read_address(list->at[i], &addresses[i], err);
    options.addresses = addresses;
    options.address_count = list->count;
    ok = ok && (list->count == 0 || http_front_add(front, &options, err));
    free(addresses);
    return ok || err_wrap(err, "%s", server->name);
}

bool listen_bind(struct listen_sockets *sockets, const char *setting, const struct config_list *list,
                 struct err *err)
{
    struct listen_address address;

    for (size_t i = 0; i < list->count; i++)
        if (!read_address(list->at[i], &address, err) || !listen_sockets_bind(sockets, &address, err))
            return err_wrap(err, "%s", setting);
    return true;
}
