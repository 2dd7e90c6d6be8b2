/*
 * delivery_datagram - see delivery_datagram.h. A batch is sent in one go, unless the name of the host is not
 * known yet or the socket is full: then the step is run again later and finds where it stood.
 *
 * The UDP socket is connected, so that the machine tells what became of the datagram before: ECONNREFUSED is
 * about that one, and clears the socket for the next.
 */

#include "gateway/chain/delivery_datagram.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/chain/delivery.h"
#include "gateway/chain/delivery_place.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/io/loop.h"

enum {
    LONGEST_TRY_MS = 60 * 1000
};

struct datagram_sender {
    struct delivery_sender super;
    struct delivery_place place; /* host == NULL: it is the syslog socket */
    int64_t timeout_us;
    delivery_cut_fn cut;
    size_t limit;
    bool joined;

    int fd; /* connected, or -1 */
    struct sockaddr_storage peer;
    struct buf room, all;

    /* Of the batch under way. */
    struct delivery *delivery;
    struct delivery_batch *batch; /* NULL: there is none */
    const struct delivery_entry *entry;
    struct str bytes; /* of the entry, or of all of them */
    size_t from;
    struct str datagram; /* that waits for the socket; at == NULL: none */
    size_t sent_count;
    const char *trouble; /* NULL: none */
    int64_t until_us;
    struct delivery_watch watch;
};

/* ---- the socket ---- */

static void close_socket(struct datagram_sender *sender)
{
    if (sender->fd >= 0)
        (void)close(sender->fd);
    sender->fd = -1;
}

/* False: with errno. */
static bool open_socket(struct datagram_sender *sender, const struct sockaddr *address, socklen_t length)
{
    sender->fd = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sender->fd >= 0 && connect(sender->fd, address, length) == 0)
        return true;
    int why = errno;
    close_socket(sender);
    errno = why;
    return false;
}

static bool open_local_socket(struct datagram_sender *sender)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *named = delivery_means(sender->delivery)->log_socket;
    const char *path = named != NULL ? named : "/dev/log";

    memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
    return open_socket(sender, (const struct sockaddr *)&address, sizeof(address));
}

enum found {
    FOUND,   /* the socket is open */
    UNKNOWN, /* the host has no address yet */
    FAILED,  /* with errno */
};

static enum found find_socket(struct datagram_sender *sender)
{
    struct sockaddr_storage peer = {0};
    socklen_t length;

    if (sender->fd >= 0 && (sender->place.host == NULL || !delivery_place_has_moved(&sender->place)))
        return FOUND;
    if (sender->place.host == NULL)
        return open_local_socket(sender) ? FOUND : FAILED;
    if (!delivery_place_find(&sender->place, delivery_means(sender->delivery)->resolver, &peer, &length))
        return sender->fd >= 0 ? FOUND : UNKNOWN;
    if (sender->fd >= 0 && memcmp(&peer, &sender->peer, sizeof(peer)) == 0)
        return FOUND;
    close_socket(sender);
    sender->peer = peer;
    return open_socket(sender, (const struct sockaddr *)&peer, length) ? FOUND : FAILED;
}

/* ---- datagrams ---- */

static void begin_entry(struct datagram_sender *sender, const struct delivery_entry *entry)
{
    sender->entry = entry;
    sender->from = 0;
    if (entry != NULL)
        sender->bytes = (struct str){entry->bytes, entry->len};
}

static void join_entries(struct datagram_sender *sender)
{
    buf_clear(&sender->all);
    for (const struct delivery_entry *entry = sender->batch->first; entry != NULL; entry = entry->next)
        buf_add(&sender->all, entry->bytes, entry->len);
    sender->bytes = buf_str(&sender->all);
}

static bool cut_datagram(struct datagram_sender *sender)
{
    if (sender->cut != NULL)
        return sender->cut(sender->bytes, sender->limit, &sender->from, &sender->room, &sender->datagram);
    if (sender->from > 0)
        return false;
    sender->datagram = sender->bytes;
    sender->from = sender->bytes.len;
    return sender->bytes.len > 0;
}

/* False: the batch has no more. */
static bool next_datagram(struct datagram_sender *sender)
{
    while (sender->datagram.at == NULL && sender->entry != NULL)
        if (!cut_datagram(sender))
            begin_entry(sender, sender->joined ? NULL : sender->entry->next);
    return sender->datagram.at != NULL;
}

enum sent {
    SENT,
    FULL, /* later */
    LOST, /* this one alone */
    DOWN, /* and the others too */
};

static enum sent send_datagram(struct datagram_sender *sender)
{
    ssize_t sent = send(sender->fd, sender->datagram.at, sender->datagram.len, MSG_NOSIGNAL);
    bool is_udp = sender->place.host != NULL;

    /* Said of the one before: this one has not been sent. */
    if (sent < 0 && errno == ECONNREFUSED && is_udp) {
        sender->trouble = "nobody listens there";
        sent = send(sender->fd, sender->datagram.at, sender->datagram.len, MSG_NOSIGNAL);
    }
    int why = sent < 0 ? errno : 0;
    if (why == 0)
        return SENT;
    if (why == EAGAIN || why == EINTR)
        return FULL;
    if (why == EMSGSIZE)
        sender->trouble = "too large for a datagram";
    else if (sender->trouble == NULL)
        sender->trouble = strerror(why);
    return why == EMSGSIZE || (is_udp && why == ECONNREFUSED) ? LOST : DOWN;
}

/* ---- a batch ---- */

static void end(struct datagram_sender *sender, bool is_down)
{
    struct delivery_batch *batch = sender->batch;
    enum delivery_end how = DELIVERY_DONE;

    delivery_unwatch(&sender->watch);
    if (sender->trouble != NULL)
        how = is_down && sender->sent_count == 0 ? DELIVERY_FAILED : DELIVERY_REFUSED;
    if (is_down) {
        close_socket(sender);
        sender->place.turn++;
    }
    sender->batch = NULL;
    delivery_batch_done(batch, how, sender->trouble);
}

/* `trouble` if that is never over. */
static void wait_for(struct datagram_sender *sender, short events, int64_t until_us, const char *trouble)
{
    if (loop_clock_us() >= sender->until_us) {
        sender->trouble = sender->trouble != NULL ? sender->trouble : trouble;
        end(sender, /* is_down= */ true);
        return;
    }
    sender->watch.fd = events != 0 ? sender->fd : -1;
    sender->watch.events = events;
    sender->watch.until_us = until_us < sender->until_us ? until_us : sender->until_us;
    delivery_watch(sender->delivery, &sender->watch);
}

static void step(struct datagram_sender *sender)
{
    switch (find_socket(sender)) {
    case FOUND:
        break;
    case UNKNOWN:
        wait_for(sender, 0, loop_clock_us() + DELIVERY_PLACE_PAUSE_US, "the host has no address");
        return;
    case FAILED:
        sender->trouble = strerror(errno);
        end(sender, /* is_down= */ true);
        return;
    }
    while (next_datagram(sender)) {
        enum sent sent = send_datagram(sender);
        if (sent == FULL) {
            wait_for(sender, POLLOUT, sender->until_us, "nobody reads there");
            return;
        }
        if (sent == DOWN) {
            end(sender, /* is_down= */ true);
            return;
        }
        sender->sent_count += sent == SENT ? 1 : 0;
        sender->datagram = STR_NONE;
    }
    end(sender, /* is_down= */ false);
}

static void on_event(struct delivery_watch *watch, short revents)
{
    struct datagram_sender *sender = CONTAINER_OF(watch, struct datagram_sender, watch);

    (void)revents;
    delivery_unwatch(watch);
    step(sender);
}

static void send_batch(struct delivery_sender *super, struct delivery *delivery, struct delivery_batch *batch)
{
    struct datagram_sender *sender = CONTAINER_OF(super, struct datagram_sender, super);

    sender->delivery = delivery;
    sender->batch = batch;
    sender->datagram = STR_NONE;
    sender->sent_count = 0;
    sender->trouble = NULL;
    sender->until_us = loop_clock_us() + sender->timeout_us;
    begin_entry(sender, batch->first);
    if (sender->joined)
        join_entries(sender);
    step(sender);
}

static void cancel(struct delivery_sender *super, struct delivery_batch *batch)
{
    struct datagram_sender *sender = CONTAINER_OF(super, struct datagram_sender, super);

    (void)batch;
    delivery_unwatch(&sender->watch);
    sender->batch = NULL;
}

static void free_sender(struct delivery_sender *super)
{
    struct datagram_sender *sender = CONTAINER_OF(super, struct datagram_sender, super);

    delivery_unwatch(&sender->watch);
    close_socket(sender);
    delivery_place_fini(&sender->place);
    buf_fini(&sender->room);
    buf_fini(&sender->all);
    free(sender);
}

struct delivery_sender *delivery_datagram_new(const struct delivery_datagram_options *options)
{
    struct datagram_sender *sender = mem_zalloc(sizeof(*sender));

    sender->super = (struct delivery_sender){.send = send_batch, .cancel = cancel, .free = free_sender};
    sender->watch.on_event = on_event;
    sender->fd = -1;
    sender->timeout_us = (options->timeout_ms > 0 ? options->timeout_ms : LONGEST_TRY_MS) * 1000;
    sender->cut = options->cut;
    sender->limit = options->limit;
    sender->joined = options->joined;
    if (options->host != NULL)
        delivery_place_init(&sender->place, options->host, options->port);
    return &sender->super;
}
