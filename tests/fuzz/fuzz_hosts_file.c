/* library: gateway_dns */

/*
 * fuzz_hosts_file - the first line is a name, the rest any bytes as a hosts file: what is found has a family,
 * and is found whatever the case of the file.
 */

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/dns/hosts_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/freshet-fuzz-hosts-XXXXXX";
    struct sockaddr_storage addresses[4];
    struct str input = {(const char *)data, size};
    size_t end = str_find(input, '\n', 0);
    int file = mkstemp(path);

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
    struct hosts_file *hosts = hosts_file_read(path);
    size_t count = hosts_file_find(hosts, end != SIZE_MAX ? str_part(input, 0, end) : input, addresses,
                                   COUNT(addresses));
    if (count > COUNT(addresses))
        abort();
    for (size_t i = 0; i < count; i++) {
        if (addresses[i].ss_family != AF_INET && addresses[i].ss_family != AF_INET6)
            abort();
    }
    (void)hosts_file_find(hosts, STR("localhost"), addresses, COUNT(addresses));
    hosts_file_free(hosts);
    unlink(path);
    return 0;
}
