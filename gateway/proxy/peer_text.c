/*
 * peer_text - see peer_text.h.
 */

#include "gateway/proxy/peer_text.h"

#include <stdio.h>

#include "gateway/base/network.h"

int peer_text_port(const struct peer_address *address)
{
    return address->port[0] << 8 | address->port[1];
}

char *peer_text_host(const struct peer_address *address, char text[PEER_TEXT_SIZE])
{
    struct sockaddr_storage at;
    char digits[NETWORK_TEXT_SIZE];

    (void)peer_address_write(address, &at);
    (void)network_text(&at, digits);
    (void)snprintf(text, PEER_TEXT_SIZE, at.ss_family == AF_INET ? "%s" : "[%s]", digits);
    return text;
}

char *peer_text(const struct peer_address *address, char text[PEER_TEXT_SIZE])
{
    char host[PEER_TEXT_SIZE];

    (void)snprintf(text, PEER_TEXT_SIZE, "%.54s:%d", peer_text_host(address, host), peer_text_port(address));
    return text;
}

bool peer_text_parse(struct str text, struct peer_address *address)
{
    size_t colon = text.len;
    struct sockaddr_storage at;
    int64_t port;

    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct str host = str_part(text, 0, colon - 1);
    if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = str_part(host, 1, host.len - 1);
    if (!network_address(host, &at) || !str_to_int(str_part(text, colon, text.len), &port) || port < 1 ||
        port > 65535)
        return false;
    (void)network_set_port(&at, (int)port);
    return peer_address_read((const struct sockaddr *)&at, address);
}
