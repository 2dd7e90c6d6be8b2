#pragma once

/*
 * redis_wire - one connection to a Redis server or a Sentinel.
 *
 * hiredis connects, writes commands and parses replies; reading and writing the socket is done here, so that
 * TLS and deadlines work alike on every version of it. A wire that has failed is closed; nothing repairs it.
 *
 * Threads: the channel's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include "bus/bus.h"

/* Begins as zero. */
struct wire {
    redisContext *context; /* owns the socket; its own input and output are not used */
    SSL *tls;              /* NULL: plain */
    redisReader *reader;
    size_t since_reply; /* bytes that have come since the last whole reply: those of the next, so far */
    char *unsent;
    size_t unsent_length, unsent_room;
    unsigned unanswered; /* commands whose reply has not come */
    int64_t waiting_us;  /* since when the oldest of them may be waited for */
    int64_t heard_us;
};

/* What is being waited for while a line is opened, and until when. */
struct patience {
    int stop; /* readable: give up */
    int64_t deadline_us;
};

/* The client's side of TLS as `redis` wants it; NULL: err. The caller owns it. */
SSL_CTX *wire_make_tls(const struct bus_redis *redis, struct bus_err *err);

/* Connects, and says who we are. tls NULL: plain. On failure it is still to be closed. */
bool wire_open(struct wire *wire, SSL_CTX *tls, const struct bus_redis *redis,
               const struct patience *patience, struct bus_err *err);
/* Fine when it was never opened. */
void wire_close(struct wire *wire);

/* A command and its reply, waited for; an error reply is a failure. *answer: the caller's; NULL: nobody wants
 * it. */
bool wire_ask(struct wire *wire, int count, const char *const *words, const struct patience *patience,
              redisReply **answer, struct bus_err *err);

/* Without waiting: a command of at most 4 words (lengths NULL: texts), what is not sent yet, what has come.
 */
bool wire_queue(struct wire *wire, int count, const char *const *words, const size_t *lengths,
                struct bus_err *err);
bool wire_flush(struct wire *wire, struct bus_err *err);
bool wire_receive(struct wire *wire, struct bus_err *err);
/* *reply NULL: not complete yet. An error reply is a failure: it names what the server refuses. */
bool wire_next_reply(struct wire *wire, redisReply **reply, struct bus_err *err);
