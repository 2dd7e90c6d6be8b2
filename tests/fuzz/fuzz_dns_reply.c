/* library: gateway_dns */

/*
 * fuzz_dns_reply - any bytes as the reply of a name server to each type of question: what is taken from it is
 * within bounds, sorted, of the right family, with names that are names.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/record_cache.h"
#include "gateway/dns/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct reply *reply)
{
    struct record_name name;

    if (reply->count > REPLY_MAX_RECORDS || reply->ttl_s < 0 || reply->ttl_s > INT32_MAX)
        abort();
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->type == DNS_SRV) {
            if (!record_name(str_of(reply->services[i].target), &name) ||
                reply->services[i].priority != reply->services[0].priority)
                abort();
            continue;
        }
        if (reply->addresses[i].ss_family != (reply->type == DNS_A ? AF_INET : AF_INET6))
            abort();
        if (i > 0 && memcmp(&reply->addresses[i - 1], &reply->addresses[i], sizeof(reply->addresses[i])) >= 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_CNAME};
    static struct reply reply;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const char *why = NULL;

        reply.type = types[i];
        if (reply_read(data, size, "x.test", &reply, &why))
            check(&reply);
        else if (why == NULL)
            abort();
    }
    return 0;
}
