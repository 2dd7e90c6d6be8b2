/*
 * name_servers - see name_servers.h.
 *
 * c-ares does what is between a question and a message that answers it: ids, ports, the comparison of the
 * question, tries, other servers, TCP for what was cut. Messages are read in reply.c.
 */

#include "gateway/dns/name_servers.h"

#include <poll.h>
#include <sys/time.h>

enum {
    TRIES = 2
};

static bool fail(int status, struct err *err)
{
    ares_library_cleanup();
    return err_set(err, ERR_INTERNAL, "c-ares: %s", ares_strerror(status));
}

static bool read_search(struct name_servers *servers, struct err *err)
{
    struct ares_options options;
    int mask = 0;
    int status = ares_save_options(servers->channel, &options, &mask);

    if (status != ARES_SUCCESS)
        return err_set(err, ERR_INTERNAL, "c-ares: %s", ares_strerror(status));
    servers->ndots = options.ndots;
    servers->search = options.domains;
    servers->search_count = options.ndomains > 0 ? (size_t)options.ndomains : 0;
    options.domains = NULL; /* ours now; all the rest goes */
    options.ndomains = 0;
    ares_destroy_options(&options);
    return true;
}

bool name_servers_open(const char *servers, int timeout_ms, struct name_servers *to, struct err *err)
{
    static char lookups[] = "b"; /* DNS only: the hosts file is read elsewhere */
    struct ares_options options = {.timeout = timeout_ms, .tries = TRIES, .lookups = lookups};
    struct name_servers opened = {0};
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status != ARES_SUCCESS)
        return err_set(err, ERR_INTERNAL, "c-ares: %s", ares_strerror(status));
    status =
        ares_init_options(&opened.channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
    if (status != ARES_SUCCESS)
        return fail(status, err);
    status = servers != NULL ? ares_set_servers_ports_csv(opened.channel, servers) : ARES_SUCCESS;
    if (status != ARES_SUCCESS) {
        name_servers_close(&opened);
        return err_set(err, ERR_INVALID, "\"%s\" is not a list of name servers: %s", servers,
                       ares_strerror(status));
    }
    if (!read_search(&opened, err)) {
        name_servers_close(&opened);
        return false;
    }
    *to = opened;
    return true;
}

void name_servers_close(struct name_servers *servers)
{
    struct ares_options options = {.domains = servers->search, .ndomains = (int)servers->search_count};

    if (servers->channel == NULL)
        return;
    servers->closing = true;
    ares_destroy(servers->channel);
    ares_destroy_options(&options);
    ares_library_cleanup();
    *servers = (struct name_servers){0};
}

void name_servers_wait(struct name_servers *servers, int bell, int wait_ms)
{
    ares_socket_t socks[ARES_GETSOCK_MAXNUM];
    struct pollfd polled[ARES_GETSOCK_MAXNUM + 1] = {{.fd = bell, .events = POLLIN}};
    struct timeval longest = {wait_ms / 1000, wait_ms % 1000 * 1000};
    struct timeval buffer;
    const struct timeval *wait = ares_timeout(servers->channel, &longest, &buffer);
    int bits = ares_getsock(servers->channel, socks, ARES_GETSOCK_MAXNUM);
    nfds_t count = 1;

    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        bool readable = ARES_GETSOCK_READABLE(bits, i);
        bool writable = ARES_GETSOCK_WRITABLE(bits, i);

        if (!readable && !writable)
            break;
        polled[count++] = (struct pollfd){
            .fd = socks[i],
            .events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)),
        };
    }
    if (poll(polled, count, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) + 1) < 0)
        return;
    for (nfds_t i = 1; i < count; i++) {
        bool readable = (polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        bool writable = (polled[i].revents & POLLOUT) != 0;

        ares_process_fd(servers->channel, readable ? polled[i].fd : ARES_SOCKET_BAD,
                        writable ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(servers->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* time-outs */
}
