#pragma once

/*
 * tally_op - what a tally asks of a place that answers later. For this folder only.
 *
 * Home: the heap, one block; the request can end while it is under way. Whoever has it ends it with
 * tally_op_finish() on the loop of the request, or frees it there if nobody wanted an answer.
 */

#include "gateway/base/list.h"
#include "gateway/chain/redis_pool.h"
#include "gateway/chain/tally.h"
#include "gateway/io/loop.h"
#include "gateway/model/usage.h"

enum tally_kind {
    TALLY_TAKE,
    TALLY_READ,
    TALLY_ADD
};

struct tally_count {
    struct usage usage; /* texts in the op's own memory; count: what is to be added */
    uint64_t limit;
    uint64_t used;
    bool over;
    size_t same; /* cluster_counters.c: which of a batch's windows it is */
};

struct tally_op {
    struct tally *tally; /* NULL: nobody wants an answer, or does not any more */
    enum tally_kind kind;
    bool failed;
    bool lets_through; /* whoever asks passes even if there is no answer */
    struct loop *loop;
    struct loop_message message;  /* an answer from another thread */
    struct list link;             /* of those that wait */
    struct redis_command command; /* a question to a Redis */
    size_t count;
    struct tally_count counts[];
};

/* Freed with free(). */
struct tally_op *tally_op_new(struct chain *chain, const struct tally *tally, enum tally_kind kind);
/* The answers to the tally, if its request is still there, which goes on. Frees the op. */
void tally_op_finish(struct tally_op *op);

/* tally_redis.c. false: it cannot be asked, and the op is still the caller's. */
bool tally_redis_start(struct redis_pool *pool, const struct tally *tally, struct tally_op *op) MUST_CHECK;
/* Adds to keys of a Redis; its answer is what they have then. false: it cannot be asked. */
struct tally_change {
    struct str key;
    int64_t amount;
    int64_t left_s; /* until the window ends */
};
bool tally_redis_change(struct redis_pool *pool, const struct redis_target *target,
                        const struct tally_change *changes, size_t count,
                        struct redis_command *command) MUST_CHECK;
/* tally_synced.c: tally_take() of windows that are known here for a while; reads them when they are not. */
enum tally_result tally_synced_take(struct chain *chain, struct tally *tally) MUST_CHECK;
/* tally.c: starts what answers later, or tells how it has ended. */
enum tally_result tally_ask(struct chain *chain, struct tally *tally, enum tally_kind kind) MUST_CHECK;
/* What a key in the memory of the node is found by. */
void tally_digest(const struct chain *chain, const struct tally *tally, const struct tally_window *window,
                  struct digest *digest);
/* As others are told of it; `text` is room for one that is not told as it is. */
enum {
    TALLY_IDENTITY_SIZE = 33
};
struct str tally_shared_identity(const struct chain *chain, const struct tally *tally,
                                 char text[TALLY_IDENTITY_SIZE]);
/* "ratelimit:<route>:<service>:<identity>:<start>:<period>", which Kong nodes use too. */
void tally_redis_key(struct buf *key, const char *family, const struct usage *usage);
