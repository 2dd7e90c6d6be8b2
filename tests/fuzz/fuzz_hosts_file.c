/* library: gateway_dns */

/*
 * fuzz_hosts_file - the first line is a name, the rest any bytes as a hosts file: what is found has addresses
 * of one family, and the same file read again has the same answers.
 */

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/dns/hosts_file.h"
#include "gateway/dns/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct resolver_answer *answer)
{
    if (answer == NULL)
        return;
    if (answer->count == 0 || answer->count > RESOLVER_MAX_ADDRESSES)
        abort();
    for (size_t i = 0; i < answer->count; i++)
        if (answer->addresses[i].at.ss_family != (answer->type == 1 ? AF_INET : AF_INET6))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/freshet-fuzz-hosts-XXXXXX";
    struct str input = {(const char *)data, size};
    size_t end = size > 0 ? str_find(input, '\n', 0) : SIZE_MAX;
    int file = mkstemp(path);

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
    struct hosts_file *hosts = hosts_file_read(path, AF_INET, /* number= */ 1);
    struct hosts_file *again = hosts_file_read(path, AF_INET, /* number= */ 2);
    if (size > 0)
        check(hosts_file_find(hosts, end != SIZE_MAX ? str_part(input, 0, end) : input));
    const struct resolver_answer *local = hosts_file_find(hosts, STR("localhost"));
    if (local == NULL)
        abort();
    check(local);
    if (hosts_file_adopt(again, hosts) || hosts_file_find(again, STR("localhost")) != local)
        abort();
    hosts_file_free(hosts);
    hosts_file_free(again);
    unlink(path);
    return 0;
}
