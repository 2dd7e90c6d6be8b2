#pragma once

/*
 * client - one exchange with an upstream, on our own HTTP/1.1 client over h2o_socket_t (h2o.md section 8).
 *
 * Strict about what an upstream may send: anything ambiguous is CLIENT_BAD_ANSWER, never forwarded bytes.
 * Responses are read with back-pressure. Deadlines: connect, write (no progress), first byte and between
 * reads.
 *
 * Threads: the loop. Callbacks come from the loop, never from inside client_start().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/str.h"
#include "gateway/http/header.h"

struct client;
struct client_pool;
struct exchange;
struct exchange_tunnel;
struct loop;
struct tls_authority;
struct tls_identity;
struct x509_store_st; /* OpenSSL's X509_STORE */

/*
 * Idle connections of one loop, by target (client_pool.h). Made and freed on the loop's thread; freed when no
 * client is left. So: loop_on_end() for the one who frees it comes before http_front_attach(), whose end
 * breaks exchanges off.
 */
struct client_pool_options {
    int max_idle_per_target; /* upstream_keepalive_pool_size; 0: no keep-alive */
    int max_requests;        /* per connection; 0: no limit */
    int idle_timeout_ms;     /* 0: no limit */
};
struct client_pool *client_pool_new(struct loop *loop, const struct client_pool_options *options);
void client_pool_free(struct client_pool *pool);
/* Live settings. */
void client_pool_reload(struct client_pool *pool, const struct client_pool_options *options);
/* Closes what is idle, keeps nothing from now on (shutdown). */
void client_pool_drain(struct client_pool *pool);

enum client_failure {
    CLIENT_SHORTAGE, /* no descriptor, port or memory for a connection: the upstream was not asked */
    CLIENT_REFUSED,  /* connecting failed: any method may be tried elsewhere */
    CLIENT_CONNECT_TIMEOUT,
    CLIENT_TLS_FAILED,
    CLIENT_STALE, /* a kept connection died before one byte of answer: try a fresh one if the method allows */
    CLIENT_RESET, /* broke before the head was complete */
    CLIENT_TIMEOUT,    /* nothing for write_ms or read_ms */
    CLIENT_BAD_ANSWER, /* not HTTP, or ambiguous */
    CLIENT_CUT,        /* whatever went wrong after on_head was called: broken off, too slow, not HTTP */
};

struct client_tls {
    struct str server_name;              /* SNI and name to verify; at == NULL: none */
    int lowest_version, highest_version; /* OpenSSL's numbers; 0: 1.2, and the highest there is */
    const struct tls_identity *identity; /* shown to an upstream that asks; NULL: none */
    bool verify;
    int verify_depth;     /* certificates between the upstream's and an authority's */
    bool own_authorities; /* only these are trusted, even if there are none */
    const struct tls_authority *const *authorities;
    size_t authority_count;
    struct x509_store_st *trusted; /* else; outlives the pool. NULL: the system's */
};

struct client_request {
    struct sockaddr_storage address;
    socklen_t address_length;
    const struct client_tls *tls; /* NULL: plain */
    int connect_ms, write_ms, read_ms;
    struct str method;
    /* The finished head (request line, header lines, empty line) and the body; valid until the client ends.
     */
    struct str head;
    struct str body;
    bool head_only; /* HEAD: the answer has no body */
    bool fresh;     /* do not reuse an idle connection */
    struct str
        upgrade; /* what was asked for; a 101 to anything else, or while the body is sent, is a bad answer */
};

struct client_head {
    int status;
    struct str reason;
    int version;            /* 0x100 or 0x101 */
    struct headers headers; /* in the exchange's memory; framing headers are kept as sent */
    int64_t body_length;    /* -1: not known */
    bool has_body;
    bool upgraded; /* 101: call client_tunnel() */
};

struct client_callbacks {
    void (*on_head)(struct client *client, const struct client_head *head, void *arg);
    /*
     * Bytes are valid until client_consume(). May come again only after that. `last`: nothing follows. Comes
     * at least once after each on_head but that of a 101, with no bytes if there is no body.
     */
    void (*on_body)(struct client *client, struct str bytes, bool last, void *arg);
    /* Ends the client. */
    void (*on_failure)(struct client *client, enum client_failure failure, void *arg);
};

/*
 * Memory comes from `exchange`; when that ends, the client ends with it (a finished answer still returns its
 * connection to the pool). Calls on a client that has ended are fine as long as its exchange's memory is
 * there.
 */
struct client *client_start(struct client_pool *pool, struct exchange *exchange,
                            const struct client_request *request, const struct client_callbacks *callbacks,
                            void *arg);
/* The bytes of the last on_body were taken; reading goes on. After `last` the client ends here. */
void client_consume(struct client *client);
/* Ends it now; no callback follows. The connection is closed. */
void client_cancel(struct client *client);
/* After a 101: joins both connections (tunnel.h). The client and the exchange end. */
void client_tunnel(struct client *client, const struct exchange_tunnel *options);

bool client_was_reused(const struct client *client);
const char *client_failure_text(enum client_failure failure);
