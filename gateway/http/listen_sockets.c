/*
 * listen_sockets - see listen_sockets.h.
 *
 * bind(2) and listen(2) are apart: an address in use is noticed before anything else is done, and nobody's
 * connection is accepted by a kernel queue before there is somebody to serve it.
 */

#include "gateway/http/listen_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/http/listener.h"

enum {
    DEFAULT_BACKLOG = 16384 /* the kernel clips it */
};

struct listen_sockets {
    struct entry {
        int fd; /* -1: taken */
        bool wanted;
        struct sockaddr_storage name;
        socklen_t length;
    } * entries;
    size_t count;
};

struct listen_sockets *listen_sockets_new(void)
{
    return mem_zalloc(sizeof(struct listen_sockets));
}

void listen_sockets_free(struct listen_sockets *sockets)
{
    if (sockets == NULL)
        return;
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->entries[i].fd >= 0)
            close(sockets->entries[i].fd);
    free(sockets->entries);
    free(sockets);
}

static struct entry *add(struct listen_sockets *sockets, int fd)
{
    sockets->entries = mem_realloc(sockets->entries, (sockets->count + 1) * sizeof(struct entry));
    struct entry *entry = &sockets->entries[sockets->count++];
    *entry = (struct entry){.fd = fd};
    return entry;
}

static bool to_sockaddr(const struct listen_address *address, struct sockaddr_storage *to, socklen_t *length)
{
    char host[INET6_ADDRSTRLEN];
    struct sockaddr_in *four = (void *)to;
    struct sockaddr_in6 *six = (void *)to;

    memset(to, 0, sizeof(*to));
    (void)snprintf(host, sizeof(host), "%.*s", STR_ARG(address->host));
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)address->port);
        *length = sizeof(*four);
        return true;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)address->port);
        *length = sizeof(*six);
        return true;
    }
    return false;
}

/* The first that is `wanted`, or not yet, of this name; NULL: none. */
static struct entry *find(const struct listen_sockets *sockets, bool wanted,
                          const struct sockaddr_storage *name, socklen_t length)
{
    for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
        struct entry *entry = &sockets->entries[i];

        if (entry->fd >= 0 && entry->wanted == wanted && entry->length == length &&
            memcmp(&entry->name, name, length) == 0)
            return entry;
    }
    return NULL;
}

/* Options that must be there before bind(2). */
static bool set_options(int fd, const struct listen_address *address, int family)
{
    const int on = 1;
    int v6only = address->ipv6only ? 1 : 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return false;
    if (address->reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        return false;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) != 0)
        return false;
    return !address->deferred || setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on)) == 0;
}

static bool fail(const struct listen_address *address, int why, struct err *err)
{
    return err_set(err, why == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "cannot listen on %.*s:%d: %s",
                   STR_ARG(address->host), address->port, strerror(why));
}

static bool bind_new(const struct listen_address *address, const struct sockaddr_storage *name,
                     socklen_t length, int *fd, struct err *err)
{
    int made = socket(name->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (made < 0)
        return err_set(err, ERR_IO, "cannot make a socket: %s", strerror(errno));
    if (!set_options(made, address, name->ss_family) || bind(made, (const void *)name, length) != 0) {
        int why = errno;

        close(made);
        return fail(address, why, err);
    }
    *fd = made;
    return true;
}

static bool read_name(const struct listen_address *address, struct sockaddr_storage *name, socklen_t *length,
                      struct err *err)
{
    return to_sockaddr(address, name, length) ||
           err_set(err, ERR_INVALID, "\"%.*s\" is not an address to listen on", STR_ARG(address->host));
}

void listen_sockets_adopt(struct listen_sockets *sockets, int fd)
{
    struct entry *entry = add(sockets, fd);

    entry->length = sizeof(entry->name);
    if (getsockname(fd, (void *)&entry->name, &entry->length) != 0)
        entry->length = 0; /* the name of none */
}

bool listen_sockets_bind(struct listen_sockets *sockets, const struct listen_address *address,
                         struct err *err)
{
    struct sockaddr_storage name;
    socklen_t length;
    int fd;

    if (!read_name(address, &name, &length, err))
        return false;
    struct entry *entry = find(sockets, false, &name, length);
    if (entry == NULL) {
        if (!bind_new(address, &name, length, &fd, err))
            return false;
        entry = add(sockets, fd);
        entry->name = name;
        entry->length = length;
    }
    entry->wanted = true;
    return true;
}

void listen_sockets_drop_unused(struct listen_sockets *sockets)
{
    size_t kept = 0;

    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->entries[i].wanted)
            sockets->entries[kept++] = sockets->entries[i];
        else
            close(sockets->entries[i].fd);
    }
    sockets->count = kept;
}

size_t listen_sockets_count(const struct listen_sockets *sockets)
{
    return sockets->count;
}

int listen_sockets_at(const struct listen_sockets *sockets, size_t at)
{
    return sockets->entries[at].fd;
}

/* What is accepted inherits TCP_USER_TIMEOUT. */
static bool begin_to_listen(int fd, const struct listen_address *address, int write_timeout_ms)
{
    unsigned timeout_ms = (unsigned)write_timeout_ms;

    return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)) == 0 &&
           listen(fd, address->backlog > 0 ? address->backlog : DEFAULT_BACKLOG) == 0;
}

bool listen_sockets_take(struct listen_sockets *sockets, const struct listen_address *address,
                         int write_timeout_ms, int *result, struct err *err)
{
    struct sockaddr_storage name;
    socklen_t length;
    int fd;

    if (!read_name(address, &name, &length, err))
        return false;
    struct entry *entry = find(sockets, true, &name, length);
    if (entry == NULL)
        entry = find(sockets, false, &name, length);
    if (entry != NULL) {
        fd = entry->fd;
        entry->fd = -1;
    } else if (!bind_new(address, &name, length, &fd, err)) {
        return false;
    }
    if (!begin_to_listen(fd, address, write_timeout_ms)) {
        int why = errno;

        close(fd);
        return fail(address, why, err);
    }
    *result = fd;
    return true;
}

int listen_socket_port(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t length = sizeof(name);
    const struct sockaddr_in *four = (const void *)&name;
    const struct sockaddr_in6 *six = (const void *)&name;

    (void)getsockname(fd, (void *)&name, &length); /* of a socket of ours: cannot fail */
    return ntohs(name.ss_family == AF_INET ? four->sin_port : six->sin6_port);
}

/* A filter sees segments from the TCP header on (socket(7), SO_ATTACH_FILTER); flags are its byte 13. */
void listen_socket_deafen(int fd)
{
    static struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = {.len = COUNT(drop_syn), .filter = drop_syn};

    /* Where it fails, who comes in the last moment is reset instead of refused. */
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}
