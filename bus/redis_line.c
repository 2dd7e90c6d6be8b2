/*
 * Hints over Redis: one connection that is subscribed, one that publishes (a subscribed one may not).
 *
 * hiredis connects, writes commands and parses replies; reading and writing the socket is done here, so that
 * TLS and deadlines work alike on every version of it. Every request is answered within ANSWER_MS or the line
 * is dead: that is how a half-open connection is found. An idle connection is asked by PING, which is allowed
 * while subscribed.
 */

#include "bus/line.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "bus/machine.h"

enum {
    DEFAULT_TIMEOUT_MS = 2000,
    IDLE_US = 3000000,   /* nothing heard for so long: PING */
    ANSWER_US = 2000000, /* to PING and to PUBLISH */
    MAX_UNREAD_BYTES = 65536,
    MAX_UNSENT_BYTES = 1 << 20,
    READ_BYTES = 16384,
};

/* One connection. */
struct wire {
    redisContext *context; /* owns the socket; its own input and output are not used */
    SSL *tls;              /* NULL: plain */
    redisReader *reader;
    char *unsent;
    size_t unsent_length, unsent_room;
    unsigned unanswered; /* commands whose reply has not come */
    int64_t waiting_us;  /* since when the oldest of them may be waited for */
    int64_t heard_us;
};

struct line {
    struct line_options options;
    SSL_CTX *tls;
    struct wire listening;
    struct wire publishing;
};

/* What is being waited for in open(), and until when. */
struct patience {
    int stop;
    int64_t deadline_us;
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

static bool flush(struct wire *wire, struct bus_err *err)
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
static bool receive(struct wire *wire, struct bus_err *err)
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
        if (wire->reader->len - wire->reader->pos + (size_t)got > MAX_UNREAD_BYTES)
            return bus_err_set(err, BUS_ERR_INVALID, "Redis sends more than was asked for");
        if (redisReaderFeed(wire->reader, bytes, (size_t)got) != REDIS_OK)
            return bus_err_set(err, BUS_ERR_INVALID, "Redis: %s", wire->reader->errstr);
        if (wire->tls == NULL && (size_t)got < sizeof(bytes))
            return true;
    }
}

/* *reply NULL: not complete yet. An error reply is the end of the line: it names what the server refuses. */
static bool next_reply(struct wire *wire, redisReply **reply, struct bus_err *err)
{
    void *parsed = NULL;

    *reply = NULL;
    if (redisReaderGetReply(wire->reader, &parsed) != REDIS_OK)
        return bus_err_set(err, BUS_ERR_INVALID, "Redis: %s", wire->reader->errstr);
    *reply = parsed;
    if (*reply == NULL || (*reply)->type != REDIS_REPLY_ERROR)
        return true;
    (void)bus_err_set(err, BUS_ERR_INVALID, "Redis: %s", (*reply)->str);
    freeReplyObject(*reply);
    *reply = NULL;
    return false;
}

static bool queue_command(struct wire *wire, int count, const char *const *words, const size_t *lengths,
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
    return flush(wire, err);
}

/* A command of the handshake and its reply, which is only looked at for being an error. */
static bool ask(struct wire *wire, int count, const char *const *words, const struct patience *patience,
                struct bus_err *err)
{
    redisReply *reply = NULL;

    if (!queue_command(wire, count, words, NULL, err))
        return false;
    for (;;) {
        short events = wire->unsent_length > 0 ? POLLIN | POLLOUT : POLLIN;

        if (!wait_for_wire(wire, events, patience, err) || !flush(wire, err) || !receive(wire, err) ||
            !next_reply(wire, &reply, err))
            return false;
        if (reply != NULL)
            break;
    }
    freeReplyObject(reply);
    wire->unanswered = 0;
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

    if (redis->password != NULL && redis->username != NULL && !ask(wire, 3, with_user, patience, err))
        return false;
    if (redis->password != NULL && redis->username == NULL && !ask(wire, 2, without_user, patience, err))
        return false;
    (void)snprintf(database, sizeof(database), "%d", redis->database);
    return redis->database == 0 || ask(wire, 2, select, patience, err);
}

static bool open_wire(struct wire *wire, SSL_CTX *tls, const struct bus_redis *redis,
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

static void close_wire(struct wire *wire)
{
    SSL_free(wire->tls);
    if (wire->reader != NULL)
        redisReaderFree(wire->reader);
    if (wire->context != NULL)
        redisFree(wire->context);
    free(wire->unsent);
}

static SSL_CTX *make_tls(const struct bus_redis *redis, struct bus_err *err)
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

static void hand_over(const struct line *line, const redisReply *reply)
{
    const redisReply *const *parts = (const redisReply *const *)reply->element;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || parts[0]->type != REDIS_REPLY_STRING ||
        parts[2]->type != REDIS_REPLY_STRING || strcmp(parts[0]->str, "message") != 0)
        return;
    line->options.on_message(line->options.arg, (const uint8_t *)parts[2]->str, parts[2]->len);
}

/* A push answers nothing; everything else answers the oldest command. */
static bool is_push(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
           reply->element[0]->type == REDIS_REPLY_STRING && strcmp(reply->element[0]->str, "message") == 0;
}

static bool take_replies(const struct line *line, struct wire *wire, struct bus_err *err)
{
    redisReply *reply;

    for (;;) {
        if (!next_reply(wire, &reply, err))
            return false;
        if (reply == NULL)
            return true;
        if (is_push(reply)) {
            hand_over(line, reply);
        } else if (wire->unanswered > 0) {
            wire->unanswered--;
            wire->waiting_us = machine_now_us();
        }
        freeReplyObject(reply);
    }
}

static bool work_wire(const struct line *line, struct wire *wire, struct bus_err *err)
{
    const char *const ping[1] = {"PING"};

    if (!flush(wire, err) || !receive(wire, err) || !take_replies(line, wire, err))
        return false;
    if (wire->unanswered > 0 && machine_now_us() - wire->waiting_us >= ANSWER_US)
        return bus_err_set(err, BUS_ERR_DEADLINE, "Redis did not answer in time");
    if (wire->unanswered == 0 && machine_now_us() - wire->heard_us >= IDLE_US)
        return queue_command(wire, 1, ping, NULL, err);
    return true;
}

static int64_t wire_due_us(const struct wire *wire)
{
    return wire->unanswered > 0 ? wire->waiting_us + ANSWER_US : wire->heard_us + IDLE_US;
}

static struct pollfd wire_poll(const struct wire *wire)
{
    short events = wire->unsent_length > 0 ? POLLIN | POLLOUT : POLLIN;

    return (struct pollfd){.fd = wire->context->fd, .events = events};
}

static void close_line(struct line *line)
{
    if (line == NULL)
        return;
    close_wire(&line->listening);
    close_wire(&line->publishing);
    SSL_CTX_free(line->tls);
    free(line);
}

static struct line *open_line(const struct line_options *options, struct bus_err *err)
{
    const struct bus_redis *redis = options->redis;
    int64_t timeout_ms = redis->timeout_ms > 0 ? redis->timeout_ms : DEFAULT_TIMEOUT_MS;
    struct patience patience = {.stop = options->stop, .deadline_us = machine_now_us() + timeout_ms * 1000};
    const char *const subscribe[2] = {"SUBSCRIBE", options->channel};
    struct line *line = machine_alloc(sizeof(*line));

    line->options = *options;
    if (redis->tls) {
        line->tls = make_tls(redis, err);
        if (line->tls == NULL)
            goto out;
    }
    if (open_wire(&line->publishing, line->tls, redis, &patience, err) &&
        open_wire(&line->listening, line->tls, redis, &patience, err) &&
        ask(&line->listening, 2, subscribe, &patience, err))
        return line;
out:
    close_line(line);
    return NULL;
}

static size_t fill_polls(const struct line *line, struct pollfd polls[LINE_MAX_POLLS])
{
    polls[0] = wire_poll(&line->listening);
    polls[1] = wire_poll(&line->publishing);
    return 2;
}

static int64_t due_us(const struct line *line)
{
    int64_t listening_us = wire_due_us(&line->listening);
    int64_t publishing_us = wire_due_us(&line->publishing);

    return listening_us < publishing_us ? listening_us : publishing_us;
}

static bool work(struct line *line, struct bus_err *err)
{
    return work_wire(line, &line->listening, err) && work_wire(line, &line->publishing, err);
}

static bool send_message(struct line *line, const uint8_t *bytes, size_t length, struct bus_err *err)
{
    const char *const publish[3] = {"PUBLISH", line->options.channel, (const char *)bytes};
    const size_t lengths[3] = {strlen(publish[0]), strlen(publish[1]), length};

    return queue_command(&line->publishing, 3, publish, lengths, err);
}

static bool is_settled(const struct line *line)
{
    return line->publishing.unanswered == 0;
}

const struct line_kind redis_line = {
    .name = "Redis",
    .max_keys = SIZE_MAX,
    .open = open_line,
    .close = close_line,
    .fill_polls = fill_polls,
    .due_us = due_us,
    .work = work,
    .send = send_message,
    .is_settled = is_settled,
};
