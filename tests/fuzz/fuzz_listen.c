/* library: gateway_config */

/*
 * fuzz_listen - any text as an address to listen on, a port map and a network: what is accepted has an
 * address that exists and a port in range, and a network contains its own address.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static void try_network(struct str text)
{
    struct network network;
    struct sockaddr_storage address;
    size_t slash = str_find(text, '/', 0);

    if (!network_parse(text, &network) || network.family == AF_UNIX)
        return;
    demand(network_address(slash != SIZE_MAX ? str_part(text, 0, slash) : text, &address));
    demand(network_contains(&network, &address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[160] = "";
    struct config_listen listen;
    struct config_port_map map;
    struct sockaddr_storage address;
    char *text = mem_strndup((const char *)data, size); /* settings are texts */

    if (config_parse_listen(text, &listen, reason)) {
        demand(network_address(listen.host, &address));
        demand(listen.port >= 0 && listen.port <= 65535 && listen.backlog >= 0);
    } else {
        demand(reason[0] != '\0' && strlen(reason) < sizeof(reason));
    }
    if (config_parse_port_map(text, &map))
        demand(map.public_port > 0 && map.public_port <= 65535 && map.local_port > 0 &&
               map.local_port <= 65535);
    free(text);
    try_network((struct str){(const char *)data, size});
    return 0;
}
