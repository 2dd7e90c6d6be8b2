/*
 * address_text - see address_text.h.
 */

#include "gateway/plugins/address_text.h"

#include <arpa/inet.h>

int address_text_write(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE])
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;

    text[0] = '\0';
    if (address->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &four->sin_addr, text, ADDRESS_TEXT_SIZE);
        return ntohs(four->sin_port);
    }
    if (address->ss_family != AF_INET6)
        return 0;
    (void)inet_ntop(AF_INET6, &six->sin6_addr, text, ADDRESS_TEXT_SIZE);
    return ntohs(six->sin6_port);
}
