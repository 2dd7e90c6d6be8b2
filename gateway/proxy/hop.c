/*
 * hop - see hop.h.
 */

#include "gateway/proxy/hop.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/dns/resolver.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/snapshot.h"

enum {
    HTTP_PORT = 80,
    HTTPS_PORT = 443
};

/* An IPv6 literal may stand in brackets. */
static struct str bare(struct str host)
{
    bool bracketed = host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';

    return bracketed ? str_part(host, 1, host.len - 1) : host;
}

bool hop_is_usual_port(const struct hop *hop, int port)
{
    return port == (hop->tls ? HTTPS_PORT : HTTP_PORT);
}

static void make_name_key(struct hop *hop)
{
    char *lower = mem_strndup(hop->name.at, hop->name.len);

    for (char *at = lower; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    balanced_name_key(str_of(lower), &hop->name_key);
    free(lower);
}

void hop_init(struct hop *hop, const struct service *service)
{
    struct str host = str_of(service->host);
    struct sockaddr_storage address;

    *hop = (struct hop){
        .spoken = (service->protocol & (PROTOCOL_HTTP | PROTOCOL_HTTPS)) != 0,
        .tls = service->protocol == PROTOCOL_HTTPS,
        .name = bare(host),
        .port = service->port,
        .client_tls.verify = service->tls_verify_set && service->tls_verify,
        .client_tls.verify_depth = service->tls_verify_depth >= 0 ? service->tls_verify_depth : 1,
    };
    hop->numeric = network_address(hop->name, &address);
    if (hop->numeric)
        memcpy(&hop->address, &address, network_set_port(&address, hop->port));
    else
        hop->client_tls.server_name = hop->name;
    if (!hop->numeric)
        make_name_key(hop);
    bool is_usual = hop_is_usual_port(hop, service->port);
    bool is_six = hop->numeric && address.ss_family == AF_INET6;
    const char *open = is_six ? "[" : "";
    const char *shut = is_six ? "]" : "";
    char *text = is_usual ? mem_printf("%s%.*s%s", open, STR_ARG(hop->name), shut)
                          : mem_printf("%s%.*s%s:%d", open, STR_ARG(hop->name), shut, service->port);
    hop->host = str_of(text);
}

void hop_fini(struct hop *hop)
{
    free((void *)(uintptr_t)hop->host.at); /* made above. NOLINT(performance-no-int-to-ptr) */
    hop->host = STR_NONE;
}

socklen_t hop_address(const struct hop *hop, struct sockaddr_storage *address)
{
    memcpy(address, &hop->address, sizeof(hop->address));
    return hop->address.sin6_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

socklen_t hop_resolved(const struct hop *hop, const struct resolver_address *found,
                       struct sockaddr_storage *address)
{
    *address = found->at;
    return network_set_port(address, found->port != 0 ? found->port : hop->port);
}
