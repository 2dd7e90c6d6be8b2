#pragma once

/*
 * bus - every committed change reaches every node, in order, at least once.
 *
 * The log lives in Postgres (log_table.sql). Writers append to it in the transaction of the change itself
 * (outbox.h). Each node's bus polls it and hands every batch, inside the database snapshot that gave it, to
 * one subscriber. Redis may ring a bell so that the poll comes earlier; it can do nothing else (channel.h).
 *
 * The bus knows no entity, no HTTP and none of the gateway's types.
 *
 * Threads: bus_open() and bus_close() belong to one thread; all other functions may be called from any. The
 * subscriber's callbacks run on the bus thread (the first resync on the thread of bus_open()).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/event.h"
#include "bus/pg_session.h"

struct bus;

/* What the subscriber gets: everything after its last position, or the order to start over. */
struct bus_batch {
    uint64_t head; /* the state in `view` holds every commit up to this one and none after */
    int64_t head_tag;
    const struct bus_event *events; /* ascending (position, n); empty for a resync */
    size_t event_count;
    struct pg_session *view; /* open REPEATABLE READ READ ONLY transaction; read rows in it, end it never */
    const char *reason;      /* resync only: start, history, lag, gap, empty, scrub */
};

struct bus_subscriber {
    /*
     * Act on a batch: raise fences, drop entries, build the next routing snapshot from rows read in
     * batch->view and publish it, in this order (consistency reference, 4.1). false: nothing was published,
     * the cursor stays and the batch comes again.
     */
    bool (*apply)(void *arg, const struct bus_batch *batch, struct bus_err *err);
    /* First half of a resync: build a whole routing snapshot from batch->view, publish nothing yet. */
    bool (*load)(void *arg, const struct bus_batch *batch, struct bus_err *err);
    /*
     * Second half, after load() succeeded and the cursor started over: freeze fills, clear fences, drop every
     * keyed entry, set the fence over everything to `head`, publish what load() built, unfreeze (section 5).
     * Cannot fail.
     */
    void (*restart)(void *arg, uint64_t head, int64_t head_tag);
    /* A poll has found nothing: time to tidy up. NULL: nothing is to be. */
    void (*idle)(void *arg);
    /*
     * Now and then, in a view of which everything has been applied (no events): is what the node knows what
     * is stored? *is_right false: it starts over. false: it could not be seen. NULL: nobody looks.
     */
    bool (*scrub)(void *arg, const struct bus_batch *batch, bool *is_right, struct bus_err *err);
    void *arg;
};

enum bus_log_level {
    BUS_LOG_DEBUG,
    BUS_LOG_INFO,
    BUS_LOG_NOTICE,
    BUS_LOG_WARN,
    BUS_LOG_ERROR
};

enum bus_channel_kind {
    BUS_CHANNEL_OFF,
    BUS_CHANNEL_REDIS,
    BUS_CHANNEL_PG_NOTIFY
};

struct bus_redis {
    const char *host; /* starts with '/': unix socket */
    int port;
    const char *sentinels; /* "host:port,host:port": they say where the master is; NULL: nobody is asked */
    const char *sentinel_master; /* its name there */
    const char *sentinel_username, *sentinel_password;
    const char *cluster;  /* "host:port,...": nodes of a Redis Cluster; NULL: it is none */
    const char *username; /* NULL: none; likewise below */
    const char *password;
    int database;
    bool tls;
    bool tls_verify;
    const char *tls_server_name;
    const char *tls_ca_file; /* NULL: the system's */
    int timeout_ms;
    const char *channel; /* prefix of the channel's name */
    const char *secret;  /* HMAC key; NULL: messages are neither signed nor checked */
    bool hint_purge;     /* hand named keys to on_hint */
};

/* What bus_reload() may change while running. */
struct bus_live {
    int64_t poll_ms; /* U: longest pause from one poll's start to the next */
    enum bus_channel_kind channel;
    struct bus_redis redis;
};

struct bus_options {
    struct pg_options primary; /* strings are copied by bus_open() */
    uint8_t node_id[16];
    uint8_t boot_id[16];
    const char *node_name;
    const char *version;
    int64_t poll_deadline_ms; /* P, default 2000 */
    int64_t retention_ms;     /* of log rows */
    int64_t lease_ms;         /* heartbeat every third of it */
    int64_t scrub_ms;         /* from one look of the scrubber to the next; 0: it never looks */
    struct bus_live live;
    struct bus_subscriber subscriber;
    /* Soft purge, on the channel's thread: the keys a hint named. NULL: never asked for. */
    void (*on_hint)(void *arg, uint64_t position, const uint8_t (*keys)[16], size_t key_count);
    void (*log)(void *arg, enum bus_log_level level, const char *text);
    void *arg; /* for on_hint and log */
};

/* What began the poll that found a commit. */
enum bus_path {
    BUS_PATH_POLL, /* its time had come */
    BUS_PATH_HINT, /* somebody had told of the commit */
    BUS_PATH_WAKE, /* this node had made it */
    BUS_PATHS
};

enum {
    BUS_DELAY_LIMITS = 14
};
/* Upper limits of the buckets of delays, ascending; one more bucket is for what is above them all. */
extern const int64_t bus_delay_limits_us[BUS_DELAY_LIMITS];

/* From commit, by the database's clock, until this node had acted on it. */
struct bus_delays {
    int64_t counts[BUS_DELAY_LIMITS + 1];
    int64_t sum_us;
};

struct bus_stats {
    uint64_t applied_position, head_position;
    uint64_t behind_positions;     /* what is known to be committed and has not been acted on */
    int64_t behind_ms;             /* since when; 0: nothing */
    uint64_t slowest_position;     /* of all live nodes, as far as their heartbeats have told */
    int64_t since_good_poll_ms;    /* freshet_staleness_seconds */
    int64_t last_poll_us, poll_us; /* the last good one took; all good ones together */
    struct bus_delays delays[BUS_PATHS];
    uint64_t polls, poll_failures, idle_polls;
    uint64_t poll_failures_connect, poll_failures_deadline, poll_failures_other; /* of them */
    uint64_t failing_polls;                                                      /* since the last good one */
    uint64_t events_applied, batches_applied;
    uint64_t resyncs, resyncs_start, resyncs_history, resyncs_lag, resyncs_gap, resyncs_scrub;
    uint64_t pg_reconnects;
    uint64_t bells_rung,
        bells_limited; /* rung: polls that began early; limited: held back by the token bucket */
    uint64_t trimmed_rows, heartbeats;
    bool channel_wanted, channel_up;
    uint64_t channel_reconnects, channel_errors;
    uint64_t hints_sent, hints_received, hints_missed; /* missed: seen by a scheduled poll first */
    uint64_t hints_reannounced;                        /* told on behalf of a writer that had not */
    int64_t since_heard_ms; /* anything of this cluster, since the line was opened; -1: there is no line */
    int64_t hint_lag_us;    /* of the last one, by the clocks of two machines; 0: none yet */
    uint64_t hints_dropped_old, hints_dropped_mac, hints_dropped_size, hints_dropped_history,
        hints_dropped_version, hints_dropped_implausible, hints_dropped_tag, hints_dropped_queue;
    uint64_t node_count;
};

/*
 * Connects, registers the node, performs the first resync (load and restart) and starts the threads. The
 * caller owns *bus. Fails when Postgres cannot be read; a Redis that is away is no failure.
 */
bool bus_open(const struct bus_options *options, struct bus **bus, struct bus_err *err);

/* Stops the threads and says goodbye in the registry. NULL is fine. */
void bus_close(struct bus *bus);

/* Applies new live settings; nothing that is running is lost. */
void bus_reload(struct bus *bus, const struct bus_live *live);

/* The last position the subscriber has acted on. Acquire: what restart() and apply() published is visible. */
uint64_t bus_applied(const struct bus *bus);
/* "xxxxxxxx-<position>", the value of Freshet-Position. */
void bus_position_text(const struct bus *bus, uint64_t position, char text[40]);
/* Has this node come to where such a text says? Rings the bell when it is behind. Never blocks. */
enum bus_place {
    BUS_THERE,
    BUS_BEHIND,
    BUS_ELSEWHERE, /* a position of another history */
    BUS_NOWHERE,   /* the text is no position */
};
enum bus_place bus_look(struct bus *bus, const char *text, size_t length);
/* The salt of key digests, and the identity of the database. */
void bus_identity(const struct bus *bus, uint8_t salt[16], uint8_t history[16]);

/*
 * What a fill saw: is `position` with `tag` part of the history this node follows (section 5)? Rings the bell
 * when it proves the node to be behind or wrong.
 */
enum bus_verdict {
    BUS_ACCEPT,      /* may be cached */
    BUS_PASS,        /* may be handed out, not cached (pend is full) */
    BUS_OLD,         /* older than is remembered, or of a replica that may be in another history: ask the
                      * primary; from the primary: refuse */
    BUS_CONTRADICTS, /* another history: refuse */
};
enum bus_verdict bus_judge(struct bus *bus, uint64_t position, int64_t tag, bool from_replica);

/* Poll now, without the token bucket: this node has just committed. Never blocks. */
void bus_wake(struct bus *bus);
/* Poll soon, through the token bucket: somebody says the log has grown. Never blocks. */
void bus_ring(struct bus *bus);
/* Blocks up to timeout_ms until bus_applied() >= position. For store threads. */
bool bus_wait(struct bus *bus, uint64_t position, int64_t timeout_ms);

/* Tell the others over the channel, after COMMIT. Copies; never blocks; a full queue drops its oldest. */
void bus_announce(struct bus *bus, uint64_t position, int64_t tag, const uint8_t (*keys)[16],
                  size_t key_count);

void bus_read_stats(const struct bus *bus, struct bus_stats *stats);
