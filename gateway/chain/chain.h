#pragma once

/*
 * chain - one request's walk through the plugins, and all that a plugin may see or do.
 *
 * The proxy makes a chain per request, in the exchange's memory, and runs phases; a plugin reads the request,
 * changes what goes upstream, looks up entities, answers, or parks. After an answer in access the remaining
 * plugins' access is skipped but header_filter and log still run (data-plane reference, 9.1).
 *
 * Threads: the request's loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/str.h"
#include "gateway/base/uuid.h"
#include "gateway/cache/cache.h"
#include "gateway/chain/plugin.h"
#include "gateway/http/exchange.h"
#include "gateway/model/entities.h"

struct answer_cache;
struct chain_kept;
struct chain_shared;
struct chain_spans;
struct delivery;
struct error_templates;
struct miss_limit;
struct window_counters;
struct scope_index;
struct cluster_counters;
struct redis_pool;
struct synced_teller;

/* What all chains of a node share. */
struct chain_world {
    struct cache *cache;
    const struct schemas *schemas;
    struct digest_salt salt;
    const struct clock *clock;
    struct miss_limit *miss_limit;    /* NULL: none */
    struct window_counters *counters; /* of plugins that limit; NULL: none */
    struct answer_cache *answers;     /* that are given again; NULL: none */
    struct cluster_counters *cluster; /* those in the database; NULL: none */
    struct delivery *delivery;        /* of plugins that tell other servers; NULL: none */
    char node_id[UUID_TEXT_SIZE];
    char host_name[256];
};

/* A group of the route's pattern. */
struct chain_capture {
    struct str name;  /* len 0: only numbered */
    struct str value; /* at == NULL: did not take part */
};

/* A try at an upstream, as the log of a request tells of it. */
struct chain_try {
    const struct chain_try *before; /* NULL: it was the first */
    struct sockaddr_storage address;
    int64_t began_us;  /* loop_clock_us() */
    int64_t lasted_us; /* until the head of its answer or its failure */
    int status;        /* 0: neither has come; a failure counts as 502 or 504 */
    bool failed;
};

enum {
    CHAIN_TRIES_KEPT = 8 /* of a request, the last one included */
};

/* The way to the upstream. Kept by the proxy; complete in the log phase. */
struct chain_hop {
    struct str scheme;            /* the client's: of a trusted proxy's word, else the connection's */
    struct str uri;               /* path and query as sent; at == NULL: nobody was asked */
    const struct chain_try *last; /* NULL: nobody was asked */
    int64_t began_us;             /* loop_clock_us() of the first try; 0: none */
    int64_t head_us;              /* when the answer's head had come; 0: it has not */
};

/* Written by the chain for the plugin that has asked; loop_clock_us(), 0: it has not come to that. */
struct chain_times {
    int64_t accessed_us; /* access was over */
    int64_t filtered_us; /* header_filter was over */
};

struct chain {
    const struct chain_world *world;
    const struct scope_index *scope; /* of the request's snapshot */
    struct exchange *exchange;
    struct redis_pool *redis;                /* the loop's; NULL: none */
    struct synced_teller *teller;            /* likewise */
    const struct error_templates *templates; /* NULL: our own pages */
    const struct route *route;               /* NULL: none */
    const struct service *service;           /* NULL: none */
    struct str path;                         /* normalised */
    const struct chain_capture *captures;    /* entry 0: the whole match */
    size_t capture_count;                    /* 0: the route's path has no groups */
    struct str client_address;               /* the real one, as far as can be known; at == NULL: unknown */
    struct chain_hop hop;
    struct chain_spans *spans; /* span.h; NULL: nobody reads them */
    struct chain_times *times; /* set by a plugin, in the exchange's memory; NULL: nobody asks */

    /* What goes upstream; plugins change headers with headers_*() (exchange_request()->headers) and these: */
    struct str upstream_path;  /* unescaped; at == NULL: by route and service */
    struct str upstream_query; /* behind '?'; at == NULL: none */
    struct str upstream_body;
    bool body_changed;

    /* Identity, set by chain_authenticate(). Values are pinned until the chain ends. */
    const struct consumer *consumer;
    /* Typed, beginning with its id (struct uuid); NULL: not authenticated (anonymous has none). */
    const void *credential;
    struct str credential_identifier;

    /* The answer being made; header_filter may change it. Set by chain_answer() or by the proxy before the
     * phase. */
    struct exchange_answer answer;
    struct str answer_body;
    bool answered;           /* by a plugin or the gateway; not by an upstream */
    bool filtering;          /* header_filter runs: what is answered now takes the place of `answer` */
    bool request_id_in_body; /* family A was used */
    bool wants_body;         /* a header_filter asks for body_filter; a body over a bound is not shown */
    bool wants_pieces;       /* likewise, for body_piece */
    bool keeps_head;         /* access asks for `upstream_headers` */
    struct headers upstream_headers; /* as they came, before any header_filter; in header_filter */
    bool as_proxied;     /* an answer of the gateway's that clients shall take for an upstream's */
    int64_t head_length; /* of the body that an answer to HEAD would have; -1: not known, 0: of answer_body */
    struct str request_id; /* 32 hex digits */

    struct chain_shared *shared;           /* chain_share() */
    struct chain_kept *kept;               /* chain_keep() */
    struct chain_end *ends;                /* chain_on_end() */
    struct buf record;                     /* log_record(); empty until somebody asks */
    const struct plugin_instance *running; /* whose phase this is */

    /* Kept by chain.c: where the walk is, what it waits for, what it pinned. */
    struct chain_state *state;
};

/* Everything zero but world, scope, exchange, request_id; then this. */
void chain_start(struct chain *chain);
/* Lets go of pins; cancels a wait. Called by exchange end. */
void chain_end(struct chain *chain);

enum chain_result {
    CHAIN_NEXT,
    CHAIN_WAIT,
    CHAIN_ANSWERED
};
/* Runs access from where it stands. CHAIN_WAIT: `resume` will be called on the loop; then call this again. */
enum chain_result chain_access(struct chain *chain, void (*resume)(struct chain *chain, void *arg),
                               void *arg);
/* `answered` may be true only afterwards: a plugin has put an answer in the place of the upstream's. */
void chain_header_filter(struct chain *chain);
/* After header_filter, once answer_body is whole; if anybody wants it. */
void chain_body_filter(struct chain *chain);
/* As the upstream's body comes, if anybody wants it; an answer that was put in its place is none. */
void chain_body_piece(struct chain *chain, struct str bytes, bool last);
void chain_log(struct chain *chain);

/* ---- for plugins ---- */

/* For a plugin that returned PLUGIN_WAIT for something of its own: ends the wait. Look-ups do it themselves.
 */
void chain_resume(struct chain *chain);

/*
 * What plugins leave for each other and for the log; a later value of a name stands before an earlier one.
 * Texts are borrowed until the chain ends.
 */
void chain_share(struct chain *chain, struct str name, struct str value);
/* at == NULL: nobody has. */
struct str chain_find_shared(const struct chain *chain, struct str name);

/* What a plugin (`owner`, its struct) keeps from one phase to another, in the exchange's memory. NULL:
 * nothing. */
void chain_keep(struct chain *chain, const void *owner, void *value);
void *chain_kept(const struct chain *chain, const void *owner);

/* What is to be let go of when the chain ends, after every log; the last registered first. In the exchange's
 * memory. */
struct chain_end {
    struct chain_end *next; /* the chain's */
    void (*on_end)(struct chain_end *end);
};
void chain_on_end(struct chain *chain, struct chain_end *end);

/*
 * Headers of an answer are added to chain->answer.headers after the call.
 *
 * In header_filter too, where the result is of no interest: then status and body are new, and what the head
 * said of the body goes (its type, its age, how it is packed); the other lines stay, among them those of the
 * plugins before, without which a browser could not read the answer. What an upstream sends is dropped.
 */
/* Family B: compact JSON {"message":..}; message NULL: no body. */
enum plugin_result chain_answer_message(struct chain *chain, int status, const char *message);
/* Family A: negotiated by Accept, with request id (data-plane reference 4.1, 4.2). */
enum plugin_result chain_answer_error(struct chain *chain, int status, const char *message);
/* A body of the plugin's own. */
enum plugin_result chain_answer_body(struct chain *chain, int status, struct str content_type,
                                     struct str body);

/*
 * Look-up in the keyed cache. HIT: *object (pinned until the chain ends). NEGATIVE: it does not exist. MISS
 * never comes back: PLUGIN_WAIT has been arranged and *status is CACHE_MISS: return PLUGIN_WAIT. FAILED,
 * BUSY: no answer to be had; answer 503 with Retry-After.
 */
enum cache_status chain_lookup(struct chain *chain, const struct schema *schema, int lookup, struct str value,
                               const void **object) MUST_CHECK;

/*
 * Sets or removes the identity headers (X-Consumer-*, X-Credential-Identifier, X-Anonymous-Consumer) and the
 * chain's consumer. credential NULL: anonymous.
 */
void chain_authenticate(struct chain *chain, const struct consumer *consumer, const void *credential,
                        struct str credential_identifier);
/* Consumer by id or username, through the cache; for `anonymous`. */
enum cache_status chain_find_consumer(struct chain *chain, struct str id_or_username,
                                      const struct consumer **consumer) MUST_CHECK;
