#pragma once

/*
 * exchange - one request and its one answer, whoever speaks: h2o below, or a test without a socket.
 *
 * The front guard (guard.h) has already refused what must not pass: bodies are complete, framing is
 * unambiguous, the target is in origin form. Memory from exchange_alloc() lives until the exchange ends.
 *
 * An exchange can end at any time (client gone): whoever keeps a pointer across a turn of the loop registers
 * with exchange_on_end() and forgets it there.
 *
 * Threads: the loop of the connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/str.h"
#include "gateway/http/header.h"

struct exchange;
struct loop;

struct exchange_request {
    struct str method;
    struct str target; /* as sent, query included, without scheme and authority */
    struct str path;   /* target up to '?' */
    struct str query;  /* behind '?'; at == NULL: there is none */
    struct str host;   /* the authority as sent, port included; at == NULL: none (HTTP/1.0) */
    int version;       /* 0x100, 0x101, 0x200 */
    bool tls;
    struct str server_name; /* SNI; at == NULL: none */
    struct headers
        headers; /* without host, content-length, transfer-encoding, expect, upgrade, connection kept */
    struct str upgrade; /* value of Upgrade; at == NULL: none */
    struct str body;    /* at == NULL: no body at all */
    bool has_length;    /* how the client has announced it: Content-Length (which is body.len), */
    bool chunked;       /* or pieces */
    bool expects_continue;
    struct sockaddr_storage peer;
    struct str peer_address; /* numeric, IPv4-mapped addresses unmapped */
    int peer_port;
    struct str local_address;
    int local_port;
    int64_t received_us; /* loop_clock_us() when the head was complete */
    uint64_t connection; /* a number of the client's connection, unique in its loop's life */
    uint32_t requests;   /* of it so far, this one included */
};

/* Members may be changed by the steps of a request (headers, path rewriting is the caller's own business). */
struct exchange_request *exchange_request(struct exchange *exchange);
struct loop *exchange_loop(const struct exchange *exchange);

/*
 * Whose certificate the client has shown and the listener's authorities (tls.h) have accepted: the subject as
 * RFC 2253 writes it, "" for an empty one. NULL: nobody's; then _problem says why, or NULL as well: the
 * client has shown none, or was not asked. Borrowed until the exchange ends.
 */
const char *exchange_peer_subject(const struct exchange *exchange);
const char *exchange_peer_problem(const struct exchange *exchange);

/* Uninitialised, aligned, freed with the exchange. */
void *exchange_alloc(struct exchange *exchange, size_t size);
struct str exchange_copy(struct exchange *exchange, struct str s);
struct str exchange_printf(struct exchange *exchange, const char *format, ...) PRINTF_LIKE(2, 3);

/* Called once when the exchange ends, answered or not; the last registered first. */
struct exchange_end {
    struct exchange_end *next; /* the exchange's */
    void (*on_end)(struct exchange_end *end);
};
void exchange_on_end(struct exchange *exchange, struct exchange_end *end);

/*
 * From now until the last piece of the answer, tell when an HTTP/1 client goes away (h2o.md section 7); also
 * saves two system calls. To be called in the turn in which the handler got the exchange. on_gone: cancel
 * what runs, then return; the exchange ends by itself.
 */
void exchange_watch(struct exchange *exchange, void (*on_gone)(struct exchange *exchange, void *arg),
                    void *arg);

struct exchange_answer {
    int status;
    struct str reason;       /* at == NULL: the usual one */
    struct headers headers;  /* without connection (but in a 426), content-length, transfer-encoding, date:
                                they are the exchange's, and dropped */
    bool close;              /* end the connection afterwards */
    bool keep_server_header; /* a Date among the headers stands instead of ours (an upstream's answer) */
};
/* An answer whose headers grow in the exchange's memory. */
void exchange_answer_init(struct exchange *exchange, struct exchange_answer *answer, int status);

/* The whole answer. HEAD sends no body but its length. The exchange may be gone on return: make it the last
 * call. */
void exchange_reply(struct exchange *exchange, const struct exchange_answer *answer, struct str body);

/* A streamed answer: begin once, then send. length -1: unknown (chunked, or until close for HTTP/1.0). */
void exchange_begin(struct exchange *exchange, const struct exchange_answer *answer, int64_t length);

enum exchange_more {
    EXCHANGE_MORE,
    EXCHANGE_LAST,
    EXCHANGE_BROKEN
};
/*
 * Sends `bytes`, which stay valid until on_sent (MORE) or the exchange's end (LAST). One send at a time: the
 * next one after on_sent. BROKEN: the body will not be completed; the client sees a cut connection, never a
 * short success. After LAST or BROKEN the exchange may be gone on return.
 */
void exchange_send(struct exchange *exchange, struct str bytes, enum exchange_more more,
                   void (*on_sent)(struct exchange *exchange, void *arg), void *arg);

/* What a tunnel has carried, in bytes that were written. */
struct exchange_tunnel_sum {
    uint64_t to_client, to_upstream;
};

/* What follows a 101 (client.h). */
struct exchange_tunnel {
    const struct headers *headers; /* of the 101 */
    int idle_ms;                   /* 0: no limit */
    /* NULL, or called once, when both connections are closed; the exchange is over by then. */
    void (*on_end)(void *arg, const struct exchange_tunnel_sum *sum);
    void *arg;
};

/* What has become of it so far; in an exchange_end: what it came to. */
struct exchange_outcome {
    int status;             /* of the answer that was begun; 0: none */
    uint64_t bytes_sent;    /* by the connection, head included */
    uint64_t body_sent;     /* bytes of the body, framing of a chunked one included */
    const char *tls;        /* "TLSv1.3"; NULL: plain text. A constant */
    const char *tls_cipher; /* likewise */
};
void exchange_read_outcome(const struct exchange *exchange, struct exchange_outcome *outcome);
