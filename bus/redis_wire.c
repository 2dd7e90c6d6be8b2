/* redis_wire - see redis_wire.h. */

#include "bus/redis_wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "bus/machine.h"

enum {
    MAX_REPLY_BYTES = 65536, /* the reader keeps what it has read of one, however long that is to be */
    MAX_UNSENT_BYTES = 1 << 20,
    READ_BYTES = 16384,
};

static bool fail_tls(struct bus_err *err, const char *what)
{
    char reason[160];

    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    return bus_err_set(err, BUS_ERR_CONNECT, "Redis: %s: %s", what, reason);
}

static bool wait_for_wire(const struct wire *wire, short events, const struct patience *patience,
                          struct bus_err *err)
{
    struct pollfd polls[2] = {{.fd = wire->context->fd, .events = events},
                              {.fd = patience->stop, .events = POLLIN}};

    for (;;) {
        int64_t left_ms = (patience->deadline_us - machine_now_us() + 999) / 1000;
        int ready = left_ms > 0 ? poll(polls, 2, left_ms > INT_MAX ? INT_MAX : (int)left_ms) : 0;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return bus_err_set(err, BUS_ERR_DEADLINE, "Redis did not answer in time");
        if (polls[1].revents != 0)
            return bus_err_set(err, BUS_ERR_INTERNAL, "stopped");
        return true;
    }
}

/* > 0: bytes; 0: not now, *want says what to poll for; < 0: the connection is dead. */
static ssize_t read_some(struct wire *wire, char *bytes, size_t size, short *want)
{
    ssize_t got;

    *want = POLLIN;
    if (wire->tls != NULL) {
        int reason;

        ERR_clear_error();
        got = SSL_read(wire->tls, bytes, (int)size);
        if (got > 0)
            return got;
        reason = SSL_get_error(wire->tls, (int)got);
        *want = reason == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
        return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    got = recv(wire->context->fd, bytes, size, 0);
    if (got > 0)
        return got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t write_some(struct wire *wire, const char *bytes, size_t size)
{
    ssize_t put;

    if (wire->tls != NULL) {
        int reason;

        ERR_clear_error();
        put = SSL_write(wire->tls, bytes, size > INT_MAX ? INT_MAX : (int)size);
        if (put > 0)
            return put;
        reason = SSL_get_error(wire->tls, (int)put);
        return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    put = send(wire->context->fd, bytes, size, MSG_NOSIGNAL);
    if (put >= 0)
        return put;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

bool wire_flush(struct wire *wire, struct bus_err *err)
{
    while (wire->unsent_length > 0) {
        ssize_t put = write_some(wire, wire->unsent, wire->unsent_length);

        if (put < 0)
            return bus_err_set(err, BUS_ERR_CONNECT, "Redis closed the connection");
        if (put == 0)
            return true;
        wire->unsent_length -= (size_t)put;
        memmove(wire->unsent, wire->unsent + put, wire->unsent_length);
    }
    return true;
}

/* Everything that has arrived goes to the parser, bounded. */
bool wire_receive(struct wire *wire, struct bus_err *err)
{
    char bytes[READ_BYTES];
    ssize_t got;
    short want;

    for (;;) {
        got = read_some(wire, bytes, sizeof(bytes), &want);
        if (got < 0)
            return bus_err_set(err, BUS_ERR_CONNECT, "Redis closed the connection");
        if (got == 0)
            return true;
        wire->heard_us = machine_now_us();
        wire->since_reply += (size_t)got;
        if (wire->since_reply > MAX_REPLY_BYTES)
            return bus_err_set(err, BUS_ERR_INVALID, "Redis sends more than was asked for");
        if (redisReaderFeed(wire->reader, bytes, (size_t)got) != REDIS_OK)
            return bus_err_set(err, BUS_ERR_INVALID, "Redis: %s", wire->reader->errstr);
        if (wire->tls == NULL && (size_t)got < sizeof(bytes))
            return true;
    }
}

/* *reply NULL: not complete yet. An error reply is the end of the line: it names what the server refuses. */
bool wire_next_reply(struct wire *wire, redisReply **reply, struct bus_err *err)
{
    void *parsed = NULL;

    *reply = NULL;
    if (redisReaderGetReply(wire->reader, &parsed) != REDIS_OK)
        return bus_err_set(err, BUS_ERR_INVALID, "Redis: %s", wire->reader->errstr);
    *reply = parsed;
    if (*reply != NULL)
        wire->since_reply = wire->reader->len - wire->reader->pos;
    if (*reply == NULL || (*reply)->type != REDIS_REPLY_ERROR)
        return true;
    (void)bus_err_set(err, BUS_ERR_INVALID, "Redis: %s", (*reply)->str);
    freeReplyObject(*reply);
    *reply = NULL;
    return false;
}

bool wire_queue(struct wire *wire, int count, const char *const *words, const size_t *lengths,
                struct bus_err *err)
{
    const char *argv[4];
    char *text = NULL;
    int length;

    for (int i = 0; i < count; i++)
        argv[i] = words[i];
    length = redisFormatCommandArgv(&text, count, argv, lengths);
    if (length < 0)
        return bus_err_set(err, BUS_ERR_INTERNAL, "out of memory");
    if (wire->unsent_length + (size_t)length > MAX_UNSENT_BYTES) {
        redisFreeCommand(text);
        return bus_err_set(err, BUS_ERR_CONNECT, "Redis does not take what is sent");
    }
    if (wire->unsent_length + (size_t)length > wire->unsent_room) {
        wire->unsent_room = (wire->unsent_length + (size_t)length) * 2;
        wire->unsent = machine_grow(wire->unsent, wire->unsent_room);
    }
    memcpy(wire->unsent + wire->unsent_length, text, (size_t)length);
    wire->unsent_length += (size_t)length;
    redisFreeCommand(text);
    if (wire->unanswered++ == 0)
        wire->waiting_us = machine_now_us();
    return wire_flush(wire, err);
}

bool wire_ask(struct wire *wire, int count, const char *const *words, const struct patience *patience,
              redisReply **answer, struct bus_err *err)
{
    redisReply *reply = NULL;

    if (!wire_queue(wire, count, words, NULL, err))
        return false;
    for (;;) {
        short events = wire->unsent_length > 0 ? POLLIN | POLLOUT : POLLIN;

        if (!wait_for_wire(wire, events, patience, err) || !wire_flush(wire, err) ||
            !wire_receive(wire, err) || !wire_next_reply(wire, &reply, err))
            return false;
        if (reply != NULL)
            break;
    }
    wire->unanswered = 0;
    if (answer != NULL)
        *answer = reply;
    else
        freeReplyObject(reply);
    return true;
}

static bool start_tls(struct wire *wire, SSL_CTX *tls, const struct bus_redis *redis,
                      const struct patience *patience, struct bus_err *err)
{
    char name[256]; /* a copy, because OpenSSL's macro casts constness away */

    (void)snprintf(name, sizeof(name), "%s",
                   redis->tls_server_name != NULL ? redis->tls_server_name : redis->host);
    wire->tls = SSL_new(tls);
    if (wire->tls == NULL || SSL_set_fd(wire->tls, wire->context->fd) != 1)
        return fail_tls(err, "TLS cannot be set up");
    (void)SSL_set_mode(wire->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_set_tlsext_host_name(wire->tls, name);
    if (redis->tls_verify && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(wire->tls), name) != 1 &&
        SSL_set1_host(wire->tls, name) != 1)
        return fail_tls(err, "TLS cannot be set up");
    for (;;) {
        int done, reason;

        ERR_clear_error();
        done = SSL_connect(wire->tls);
        if (done == 1)
            return true;
        reason = SSL_get_error(wire->tls, done);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
            return fail_tls(err, "TLS handshake");
        if (!wait_for_wire(wire, reason == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, patience, err))
            return false;
    }
}

static bool authenticate(struct wire *wire, const struct bus_redis *redis, const struct patience *patience,
                         struct bus_err *err)
{
    const char *const with_user[3] = {"AUTH", redis->username, redis->password};
    const char *const without_user[2] = {"AUTH", redis->password};
    char database[16];
    const char *const select[2] = {"SELECT", database};

    if (redis->password != NULL && redis->username != NULL &&
        !wire_ask(wire, 3, with_user, patience, NULL, err))
        return false;
    if (redis->password != NULL && redis->username == NULL &&
        !wire_ask(wire, 2, without_user, patience, NULL, err))
        return false;
    (void)snprintf(database, sizeof(database), "%d", redis->database);
    return redis->database == 0 || wire_ask(wire, 2, select, patience, NULL, err);
}

bool wire_open(struct wire *wire, SSL_CTX *tls, const struct bus_redis *redis,
               const struct patience *patience, struct bus_err *err)
{
    int problem = 0;
    socklen_t size = sizeof(problem);

    wire->context = redis->host[0] == '/' ? redisConnectUnixNonBlock(redis->host)
                                          : redisConnectNonBlock(redis->host, redis->port);
    wire->reader = redisReaderCreate();
    if (wire->context == NULL || wire->reader == NULL)
        return bus_err_set(err, BUS_ERR_INTERNAL, "out of memory");
    if (wire->context->err != 0)
        return bus_err_set(err, BUS_ERR_CONNECT, "Redis at %s: %s", redis->host, wire->context->errstr);
    if (!wait_for_wire(wire, POLLOUT, patience, err))
        return false;
    if (getsockopt(wire->context->fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0 || problem != 0)
        return bus_err_set(err, BUS_ERR_CONNECT, "Redis at %s: %s", redis->host, strerrordesc_np(problem));
    (void)redisEnableKeepAlive(wire->context); /* second line behind PING; a unix socket has none */
    if (tls != NULL && !start_tls(wire, tls, redis, patience, err))
        return false;
    wire->heard_us = machine_now_us();
    return authenticate(wire, redis, patience, err);
}

void wire_close(struct wire *wire)
{
    SSL_free(wire->tls);
    if (wire->reader != NULL)
        redisReaderFree(wire->reader);
    if (wire->context != NULL)
        redisFree(wire->context);
    free(wire->unsent);
}

SSL_CTX *wire_make_tls(const struct bus_redis *redis, struct bus_err *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    bool good = tls != NULL && SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1;

    if (good && redis->tls_verify) {
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
        good = redis->tls_ca_file != NULL ? SSL_CTX_load_verify_locations(tls, redis->tls_ca_file, NULL) == 1
                                          : SSL_CTX_set_default_verify_paths(tls) == 1;
    }
    if (good)
        return tls;
    (void)fail_tls(err, "TLS cannot be set up");
    SSL_CTX_free(tls);
    return NULL;
}
