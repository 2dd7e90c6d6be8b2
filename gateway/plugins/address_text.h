#pragma once

/*
 * address_text - the address of an upstream as text, for plugins that tell of it. Threads: any.
 */

#include <netinet/in.h>
#include <sys/socket.h>

enum {
    ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN
};

/* Returns the port. "" and 0: neither IPv4 nor IPv6. */
int address_text_write(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE]);
