/* library: gateway_chain */

/*
 * fuzz_redis_reply - any bytes of a Redis: what is read lies in them, and is the same with more behind it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/chain/redis_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_reply reply, again;
    size_t length = redis_reply_read((struct str){(const char *)data, size}, &reply);

    if (length == 0 || length == SIZE_MAX)
        return 0;
    demand(length <= size && reply.count <= REDIS_NUMBERS_MAX && reply.text.len <= length);
    demand(redis_reply_read((struct str){(const char *)data, length}, &again) == length);
    demand(again.kind == reply.kind && again.count == reply.count &&
           memcmp(again.numbers, reply.numbers, reply.count * sizeof(reply.numbers[0])) == 0);
    for (size_t part = 0; part < length; part++)
        demand(redis_reply_read((struct str){(const char *)data, part}, &again) == 0);
    return 0;
}
