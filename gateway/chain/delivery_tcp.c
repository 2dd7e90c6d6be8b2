/*
 * delivery_tcp - see delivery_tcp.h.
 *
 *     CLOSED --batch--> NAMING --> CONNECTING --> SHAKING --> WRITING --done--> IDLE --batch--> WRITING
 *                                               (with TLS)                        |
 *                                                            closed, too long <---+
 *
 * A sink that closes an idle connection is seen: what is watched is looked at before batches are
 * (delivery.c), so a batch goes out over a connection that was open a moment ago.
 */

#include "gateway/chain/delivery_tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/chain/delivery.h"
#include "gateway/chain/delivery_place.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/io/loop.h"

enum {
    LONGEST_TRY_MS = 60 * 1000,
    IGNORED_BYTES = 4096,   /* of what a sink sends, read at a time */
    IGNORED_READS_MAX = 16, /* in one go: others have a turn, too */
};

enum tcp_state {
    TCP_CLOSED,     /* no socket */
    TCP_NAMING,     /* no socket; the host has no address yet, a pause is watched */
    TCP_CONNECTING, /* socket, watched until it is writable */
    TCP_SHAKING,    /* socket and TLS */
    TCP_WRITING,    /* the same, and a batch */
    TCP_IDLE,       /* the same, without a batch; watched for bytes and for the end of keepalive */
};

struct tcp_sender {
    struct delivery_sender super;
    struct delivery_place place;
    int64_t timeout_us, keepalive_us;
    struct str behind;
    bool tls;
    char *tls_name;   /* NULL: none is told */
    SSL_CTX *context; /* NULL: not needed yet */

    enum tcp_state state;
    int fd; /* -1: none */
    SSL *ssl;
    struct delivery_watch watch;

    /* Of the batch under way. */
    struct delivery *delivery;
    struct delivery_batch *batch; /* NULL: there is none */
    struct buf bytes;
    size_t written;
    int64_t until_us;
};

/* What a step of the connection came to. */
enum step_end {
    STEP_ON,   /* the next may run */
    STEP_WAIT, /* watched */
    STEP_FAIL, /* over; *why says it */
};

/* ---- the connection ---- */

/* Reads what the sink has sent. False: it has closed the connection, or does not stop. */
static bool drain(struct tcp_sender *sender)
{
    char ignored[IGNORED_BYTES];
    size_t got = 0;

    for (int i = 0; i < IGNORED_READS_MAX; i++) {
        if (sender->ssl != NULL) {
            int result = SSL_read_ex(sender->ssl, ignored, sizeof(ignored), &got);
            int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(sender->ssl, result);
            ERR_clear_error();
            if (error != SSL_ERROR_NONE)
                return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
            continue;
        }
        ssize_t length = recv(sender->fd, ignored, sizeof(ignored), 0);
        if (length <= 0)
            return length < 0 && (errno == EAGAIN || errno == EINTR);
    }
    return false;
}

static void disconnect(struct tcp_sender *sender)
{
    delivery_unwatch(&sender->watch);
    /* Closing with bytes unread is a reset, which may cost the sink what it has not read. */
    if (sender->state == TCP_IDLE)
        (void)drain(sender);
    if (sender->ssl != NULL) {
        (void)SSL_shutdown(sender->ssl); /* as far as it goes at once */
        SSL_free(sender->ssl);
        ERR_clear_error();
    }
    if (sender->fd >= 0)
        (void)close(sender->fd);
    sender->ssl = NULL;
    sender->fd = -1;
    sender->state = TCP_CLOSED;
}

static enum step_end wait_for(struct tcp_sender *sender, short events, int64_t until_us)
{
    sender->watch.fd = events != 0 ? sender->fd : -1;
    sender->watch.events = events;
    sender->watch.until_us = until_us;
    delivery_watch(sender->delivery, &sender->watch);
    return STEP_WAIT;
}

/* After an SSL_ function that did not do it all. */
static enum step_end wait_for_tls(struct tcp_sender *sender, int result, const char **why)
{
    int error = SSL_get_error(sender->ssl, result);

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return wait_for(sender, POLLIN, sender->until_us);
    if (error == SSL_ERROR_WANT_WRITE)
        return wait_for(sender, POLLOUT, sender->until_us);
    *why = sender->state == TCP_SHAKING ? "the TLS handshake failed" : "the connection broke";
    return STEP_FAIL;
}

/* ---- steps ---- */

static enum step_end step_name(struct tcp_sender *sender, const char **why)
{
    struct sockaddr_storage address = {0};
    int64_t now_us = loop_clock_us();
    socklen_t length;
    int on = 1;

    sender->state = TCP_NAMING;
    if (!delivery_place_find(&sender->place, delivery_means(sender->delivery)->resolver, &address, &length)) {
        int64_t again_us = now_us + DELIVERY_PLACE_PAUSE_US;
        *why = "the host has no address";
        return wait_for(sender, 0, again_us < sender->until_us ? again_us : sender->until_us);
    }
    sender->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sender->state = TCP_CONNECTING;
    if (sender->fd >= 0) {
        (void)setsockopt(sender->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(sender->fd, (const struct sockaddr *)&address, length) == 0 || errno == EINPROGRESS)
            return wait_for(sender, POLLOUT, sender->until_us);
    }
    *why = strerror(errno);
    return STEP_FAIL;
}

static bool open_tls(struct tcp_sender *sender)
{
    if (sender->context == NULL) {
        sender->context = SSL_CTX_new(TLS_client_method());
        if (sender->context == NULL)
            return false;
        SSL_CTX_set_verify(sender->context, SSL_VERIFY_NONE, NULL);
        (void)SSL_CTX_set_mode(sender->context,
                               SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    sender->ssl = SSL_new(sender->context);
    return sender->ssl != NULL && SSL_set_fd(sender->ssl, sender->fd) == 1 &&
           (sender->tls_name == NULL || SSL_set_tlsext_host_name(sender->ssl, sender->tls_name) == 1);
}

static enum step_end step_connect(struct tcp_sender *sender, const char **why)
{
    socklen_t length = sizeof(int);
    int error = 0;

    if (getsockopt(sender->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
        *why = strerror(error != 0 ? error : errno);
        return STEP_FAIL;
    }
    sender->state = sender->tls ? TCP_SHAKING : TCP_WRITING;
    if (!sender->tls || open_tls(sender))
        return STEP_ON;
    *why = "TLS cannot be prepared";
    return STEP_FAIL;
}

static enum step_end step_shake(struct tcp_sender *sender, const char **why)
{
    int result = SSL_connect(sender->ssl);

    if (result != 1)
        return wait_for_tls(sender, result, why);
    sender->state = TCP_WRITING;
    return STEP_ON;
}

static enum step_end write_plain(struct tcp_sender *sender, const char **why)
{
    ssize_t wrote = send(sender->fd, sender->bytes.at + sender->written, sender->bytes.len - sender->written,
                         MSG_NOSIGNAL);

    if (wrote > 0) {
        sender->written += (size_t)wrote;
        return STEP_ON;
    }
    if (errno == EAGAIN || errno == EINTR)
        return wait_for(sender, POLLOUT, sender->until_us);
    *why = strerror(errno);
    return STEP_FAIL;
}

static enum step_end write_tls(struct tcp_sender *sender, const char **why)
{
    size_t wrote = 0;
    int result = SSL_write_ex(sender->ssl, sender->bytes.at + sender->written,
                              sender->bytes.len - sender->written, &wrote);

    if (result != 1)
        return wait_for_tls(sender, result, why);
    sender->written += wrote;
    return STEP_ON;
}

/* STEP_ON: all of it is written. */
static enum step_end step_write(struct tcp_sender *sender, const char **why)
{
    enum step_end end = STEP_ON;

    while (end == STEP_ON && sender->written < sender->bytes.len)
        end = sender->ssl != NULL ? write_tls(sender, why) : write_plain(sender, why);
    return end;
}

/* ---- a batch ---- */

static void end_batch(struct tcp_sender *sender, enum delivery_end end, const char *why)
{
    struct delivery_batch *batch = sender->batch;

    sender->batch = NULL;
    delivery_batch_done(batch, end, why);
}

static enum step_end step(struct tcp_sender *sender, const char **why)
{
    switch (sender->state) {
    case TCP_CLOSED:
    case TCP_NAMING:
        return step_name(sender, why);
    case TCP_CONNECTING:
        return step_connect(sender, why);
    case TCP_SHAKING:
        return step_shake(sender, why);
    case TCP_WRITING:
    case TCP_IDLE:
        break;
    }
    return step_write(sender, why);
}

/* Until something has to be waited for, or the batch has ended. */
static void go_on(struct tcp_sender *sender)
{
    const char *why = NULL;
    enum step_end end = STEP_ON;

    while (end == STEP_ON && !(sender->state == TCP_WRITING && sender->written == sender->bytes.len))
        end = step(sender, &why);
    if (end == STEP_WAIT)
        return;
    if (end == STEP_ON) {
        sender->state = TCP_IDLE;
        (void)wait_for(sender, POLLIN, loop_clock_us() + sender->keepalive_us);
        end_batch(sender, DELIVERY_DONE, NULL);
        return;
    }
    disconnect(sender);
    sender->place.turn++;
    end_batch(sender, DELIVERY_FAILED, why);
}

static void on_event(struct delivery_watch *watch, short revents)
{
    struct tcp_sender *sender = CONTAINER_OF(watch, struct tcp_sender, watch);

    delivery_unwatch(watch);
    if (sender->state == TCP_IDLE) {
        int64_t until_us = watch->until_us;
        if (revents == 0 || !drain(sender))
            disconnect(sender);
        else
            (void)wait_for(sender, POLLIN, until_us);
        return;
    }
    if (revents == 0 && loop_clock_us() >= sender->until_us) {
        const char *why = sender->state == TCP_NAMING ? "the host has no address" : "it takes too long";
        disconnect(sender);
        sender->place.turn++;
        end_batch(sender, DELIVERY_FAILED, why);
        return;
    }
    go_on(sender);
}

static void send_batch(struct delivery_sender *super, struct delivery *delivery, struct delivery_batch *batch)
{
    struct tcp_sender *sender = CONTAINER_OF(super, struct tcp_sender, super);

    delivery_unwatch(&sender->watch);
    sender->delivery = delivery;
    sender->batch = batch;
    sender->written = 0;
    sender->until_us = loop_clock_us() + sender->timeout_us;
    buf_clear(&sender->bytes);
    for (const struct delivery_entry *entry = batch->first; entry != NULL; entry = entry->next) {
        buf_add(&sender->bytes, entry->bytes, entry->len);
        buf_add_str(&sender->bytes, sender->behind);
    }
    if (sender->state == TCP_IDLE)
        sender->state = TCP_WRITING;
    go_on(sender);
}

static void cancel(struct delivery_sender *super, struct delivery_batch *batch)
{
    struct tcp_sender *sender = CONTAINER_OF(super, struct tcp_sender, super);

    (void)batch;
    sender->batch = NULL;
    disconnect(sender);
}

static void free_sender(struct delivery_sender *super)
{
    struct tcp_sender *sender = CONTAINER_OF(super, struct tcp_sender, super);

    disconnect(sender);
    delivery_place_fini(&sender->place);
    SSL_CTX_free(sender->context);
    buf_fini(&sender->bytes);
    free(sender->tls_name);
    free(sender);
}

struct delivery_sender *delivery_tcp_new(const struct delivery_tcp_options *options)
{
    struct tcp_sender *sender = mem_zalloc(sizeof(*sender));
    struct sockaddr_storage address;
    const char *name = options->tls_name;

    if (name == NULL && !network_address(str_of(options->host), &address))
        name = options->host;
    sender->super = (struct delivery_sender){.send = send_batch, .cancel = cancel, .free = free_sender};
    sender->watch.on_event = on_event;
    sender->fd = -1;
    sender->timeout_us = (options->timeout_ms > 0 ? options->timeout_ms : LONGEST_TRY_MS) * 1000;
    sender->keepalive_us = options->keepalive_ms * 1000;
    sender->behind = options->behind;
    sender->tls = options->tls;
    sender->tls_name = mem_strdup(name);
    delivery_place_init(&sender->place, options->host, options->port);
    return &sender->super;
}
