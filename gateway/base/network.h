#pragma once

/*
 * network - a range of addresses, "10.0.0.0/8", "2001:db8::/32" or a single address.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct network {
    sa_family_t family; /* AF_INET, AF_INET6; AF_UNIX: peers without an address */
    int bits;
    uint8_t address[16]; /* network order; the first four for AF_INET; bits beyond `bits` are 0 */
};

/* An address, or one with "/bits"; "unix:" names local peers. */
bool network_parse(struct str text, struct network *network) MUST_CHECK;
/* The address in the text, without a prefix, as a peer. The port is 0. */
bool network_address(struct str text, struct sockaddr_storage *address) MUST_CHECK;
/* Written as text, "" if it has none (AF_UNIX and others). Returns its port, or 0. */
enum {
    NETWORK_TEXT_SIZE = 46 /* INET6_ADDRSTRLEN */
};
int network_text(const struct sockaddr_storage *address, char text[NETWORK_TEXT_SIZE]);
/* Of an IPv4 or IPv6 address. Returns the address's length. */
socklen_t network_set_port(struct sockaddr_storage *address, int port);
/* Is the text an address that only this machine can reach? */
bool network_is_loopback(struct str text);
/* An IPv4 address that is mapped into IPv6 counts as IPv4. */
bool network_contains(const struct network *network, const struct sockaddr_storage *address);
