#pragma once

/*
 * access_line - one request that has ended, as a line of an access log: "combined", which every log reader
 * knows, or a JSON object.
 *
 * Whatever a peer sends, a line stays one line and its quotes stay closed: bytes that could break out are
 * written as \xHH (as nginx does) or by the rules of JSON. Long texts are cut and end in "...".
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

struct chain_try;
struct exchange;

enum access_format {
    ACCESS_COMBINED,
    ACCESS_JSON
};

enum {
    ACCESS_LINE_ROOM = 32 * 1024, /* bytes a line has at most */
};

/* at == NULL is null, "-" in a combined line. Texts are borrowed. Times are microseconds. */
struct access_line {
    int64_t ended_us; /* since 1970 */
    struct str request_id;
    struct str client, peer; /* addresses: the client's real one, the connection's */
    int64_t peer_port;
    struct str user; /* who the client has proven to be */
    struct str method, scheme, host, target;
    int version;                      /* as struct exchange_request has it */
    int64_t status;                   /* 499: the client went away before there was an answer */
    bool aborted;                     /* the answer was not sent whole */
    int64_t bytes_in, bytes_out;      /* of the bodies */
    int64_t request_us;               /* from the request's head to the end */
    int64_t gateway_us;               /* of that, before the upstream was asked, or in all */
    int64_t upstream_us;              /* until it began to answer; -1: it did not, or was not asked */
    const struct chain_try *last_try; /* NULL: no upstream was asked */
    int64_t upstream_status;          /* of the last try; -1: none was asked */
    int64_t retries;
    struct str route, service, consumer; /* name, or id if there is none */
    struct str tls, tls_cipher, server_name;
    struct str agent, referer;
};

/* Seconds as text, made once in each. */
struct access_time {
    int64_t second;
    size_t iso_length, common_length;
    char iso[24];    /* 2026-11-25T22:10:40 */
    char common[32]; /* 25/Nov/2026:22:10:40 +0000 */
};

/* What an exchange alone knows, at its end. */
void access_line_of(struct access_line *line, struct exchange *exchange);
/* Writes the line, newline included, into ACCESS_LINE_ROOM bytes; returns its length. */
size_t access_line_write(const struct access_line *line, enum access_format format, struct access_time *time,
                         char *to);
