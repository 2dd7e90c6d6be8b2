/*
 * socket_option - see socket_option.h.
 */

#include "gateway/http/socket_option.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h> /* the C library's tcp_info ends before tcpi_bytes_acked */
#include <netinet/in.h>
#include <sys/socket.h>

#include "gateway/base/log.h"

enum {
    BUFFER_BYTES = 208 * 1024 /* net.core.rmem_max, unless somebody has changed it */
};

void socket_option_limit_silence(h2o_socket_t *sock, int64_t timeout_ms)
{
    unsigned limit_ms = timeout_ms < INT_MAX ? (unsigned)timeout_ms : INT_MAX;

    if (setsockopt(h2o_socket_get_fd(sock), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms)) != 0)
        log_debug("http: no limit of silence for a connection; errno=%d", errno);
}

void socket_option_limit_buffer(h2o_socket_t *sock)
{
    int bytes = BUFFER_BYTES;

    if (setsockopt(h2o_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0)
        log_debug("http: no limit of a connection's buffer; errno=%d", errno);
}

uint64_t socket_option_acknowledged(h2o_socket_t *sock)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);

    if (getsockopt(h2o_socket_get_fd(sock), IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return 0;
    return info.tcpi_bytes_acked;
}
