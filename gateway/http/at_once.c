/*
 * at_once - see at_once.h.
 */

#include "gateway/http/at_once.h"

#include <assert.h>
#include <sys/socket.h>
#include <sys/uio.h>

static size_t take_off(h2o_iovec_t *pieces, size_t count, size_t length)
{
    size_t gone = 0;

    while (gone < count && length >= pieces[gone].len)
        length -= pieces[gone++].len;
    for (size_t i = gone; i < count; i++)
        pieces[i - gone] = pieces[i];
    if (gone < count) {
        pieces[0].base += length;
        pieces[0].len -= length;
    }
    return count - gone;
}

size_t at_once_write(h2o_socket_t *sock, h2o_iovec_t *pieces, size_t count)
{
    struct iovec parts[AT_ONCE_PIECES];
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    int fd = h2o_socket_get_fd(sock);
    ssize_t sent;

    assert(count <= AT_ONCE_PIECES);
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct iovec){pieces[i].base, pieces[i].len};
    if (count == 1) /* cheaper: the kernel has no list to copy */
        sent = send(fd, parts[0].iov_base, parts[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return take_off(pieces, count, sent > 0 ? (size_t)sent : 0);
}
