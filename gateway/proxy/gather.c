/*
 * gather - see gather.h. Memory doubles, so that at most four times the bound is taken from the exchange.
 */

#include "gateway/proxy/gather.h"

#include <string.h>

#include "gateway/http/exchange.h"

enum {
    ROOM_FIRST = 4096
};

bool gather_begin(struct gather *gather, int64_t length)
{
    *gather = (struct gather){.active = length <= GATHER_MAX_BYTES};
    return gather->active;
}

bool gather_add(struct gather *gather, struct exchange *exchange, struct str bytes)
{
    size_t needed = gather->len + bytes.len;

    if (needed > GATHER_MAX_BYTES)
        return false;
    if (needed > gather->room) {
        size_t room = gather->room > 0 ? gather->room : ROOM_FIRST;
        while (room < needed)
            room *= 2;
        char *at = exchange_alloc(exchange, room);
        if (gather->len > 0)
            memcpy(at, gather->at, gather->len);
        gather->at = at;
        gather->room = room;
    }
    if (bytes.len > 0)
        memcpy(gather->at + gather->len, bytes.at, bytes.len);
    gather->len = needed;
    return true;
}
