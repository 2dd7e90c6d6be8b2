/*
 * stat_packet - see stat_packet.h. Lines lie behind each other with the very byte between them that parts
 * them in a datagram, so a packet is a piece of them and nothing is copied.
 */

#include "gateway/plugins/stat_packet.h"

bool stat_packet_next(struct str lines, size_t limit, size_t *from, struct str *packet)
{
    size_t end = str_find(lines, '\n', *from);

    if (end == SIZE_MAX)
        return false;
    for (size_t next = str_find(lines, '\n', end + 1); next != SIZE_MAX && next - *from <= limit;
         next = str_find(lines, '\n', end + 1))
        end = next;
    *packet = str_part(lines, *from, end);
    *from = end + 1;
    return true;
}
