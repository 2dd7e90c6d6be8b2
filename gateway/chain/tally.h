#pragma once

/*
 * tally - counts windows of time for one request, where the configuration says: in this node's memory, in the
 * database, or in a Redis (plugin reference, 9).
 *
 *     local    memory, at once. Exactly as many get through as the limit says.
 *     cluster  rows of the database, read for each request; what has been let through is added with the next
 *              batch (cluster_counters.h). Exact on one node.
 *     redis    one script per request, which adds and tells what is there: exact over all nodes. Also those
 * that are refused count, as with Kong. redis, sync_rate > 0    memory, and each sync_rate seconds what has
 * been added here goes there and what others have added comes back (synced_counters.h).
 *
 * Threads: settings are immutable; a tally belongs to the loop of its request.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/chain/chain.h"

struct redis_target;
struct tally_op;

enum tally_policy {
    TALLY_LOCAL,
    TALLY_CLUSTER,
    TALLY_REDIS
};

struct tally_settings {
    enum tally_policy policy;
    int64_t sync_ms; /* 0: with each request */
    bool fault_tolerant;
    struct redis_target *redis; /* NULL: none */
};

/* From a complete config document of a plugin that limits. */
void tally_settings_init(struct tally_settings *settings, const cJSON *config);
void tally_settings_fini(struct tally_settings *settings);

/* One limit. Texts live as long as the request. */
struct tally_window {
    struct str name;          /* of the limit, if a plugin names them; len 0: none */
    const char *period;       /* "minute" */
    int64_t starts_s, ends_s; /* Unix time */
    uint64_t limit;
    uint64_t amount; /* for tally_add() */
    /* The answer: */
    uint64_t used; /* before this request */
    bool over;     /* there was no room for it */
};

enum tally_result {
    TALLY_DONE,
    TALLY_WAIT,   /* return PLUGIN_WAIT, and call again when the phase runs again */
    TALLY_FAILED, /* where it is counted cannot be reached; the windows say nothing */
};

/* Of one request, in its memory until the chain ends. */
struct tally {
    const struct tally_settings *settings;
    const char *family;  /* begins the keys in a Redis: "ratelimit" */
    struct str identity; /* who is counted; at == NULL: cannot be known */
    int64_t now_s;       /* Unix time */
    struct tally_window *windows;
    size_t count;
    /* tally.c's: */
    struct chain *chain;
    struct tally_op *op; /* NULL: nothing is under way */
    struct chain_end end;
    bool has_failed, has_answer, counts_there, is_watched;
};

/* One more in each window, or in none where one has no room: then nobody may pass. */
enum tally_result tally_take(struct chain *chain, struct tally *tally) MUST_CHECK;
/* Only looks. */
enum tally_result tally_read(struct chain *chain, struct tally *tally) MUST_CHECK;
/* Adds `amount` to each, whatever the limit; what cannot be reached is not told. Waits for nothing. */
void tally_add(struct chain *chain, const struct tally *tally);
