#pragma once

/*
 * delivery_queue - entries of a plugin's configuration on their way to its sink, in batches (plugin
 * reference, 0.4).
 *
 *     loops --add--> [waiting] --take--> [batch] --send--> sender
 *                                           ^        |
 *                                           +-- failed: later again, until max_retry_time is over
 *
 * Bounded by entries, by bytes, and by what all queues of a node hold together: the oldest waiting entries
 * give way, are counted, and one line a second at most tells of it. A queue that is let go finishes: what
 * waits is sent at once, and tried again as often as the rules say.
 *
 * Adding costs a copy and a mutex held for a few stores; the thread is woken once per pause or batch.
 *
 * Threads: delivery_queue_add() any; new and let_go one thread at a time; senders' functions on the delivery
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"

struct delivery;
struct delivery_batch;
struct delivery_queue;

/* Of the record `queue` in a plugin's settings. */
struct delivery_rules {
    size_t max_batch_size;
    int64_t max_coalescing_us;
    size_t max_entries;
    size_t max_bytes;     /* 0: no rule of its own */
    int64_t max_retry_us; /* since the first try; negative: none but the first */
    int64_t first_retry_us, longest_retry_us;
};

/*
 * How batches reach a sink. Made by a plugin, one per queue, and then the queue's: embedded as the first
 * member of what the sender knows. Nothing here may wait; what takes time goes on elsewhere (delivery_http.h,
 * struct delivery_watch) and ends in delivery_batch_done().
 */
struct delivery_sender {
    /* A batch is tried, or tried again. delivery_batch_done() follows exactly once, from inside or later,
     * unless _cancel() comes before. */
    void (*send)(struct delivery_sender *sender, struct delivery *delivery, struct delivery_batch *batch);
    /* The node ends; a try that is under way is to be forgotten. NULL: there is never one under way. */
    void (*cancel)(struct delivery_sender *sender, struct delivery_batch *batch);
    /* With nothing under way. */
    void (*free)(struct delivery_sender *sender);
};

struct delivery_entry {
    struct delivery_entry *next;
    size_t len;
    char bytes[];
};

/* What a sender sees of a batch: entries in the order they were added, at least one. */
struct delivery_batch {
    struct delivery_queue *queue;
    const struct delivery_entry *first;
    size_t count;
    size_t bytes;   /* of the entries */
    unsigned tries; /* that have failed before */
    void *state;    /* the sender's own; NULL at each try */
};

enum delivery_end {
    DELIVERY_DONE,
    DELIVERY_FAILED,  /* worth another try */
    DELIVERY_REFUSED, /* it will never be taken: given up at once */
};
/* `why` is a word or sentence for the log; a constant or copied; NULL with DELIVERY_DONE. */
void delivery_batch_done(struct delivery_batch *batch, enum delivery_end end, const char *why);

struct delivery_options {
    const char *name; /* in the log: plugin and sink, no secrets; copied */
    struct delivery_rules rules;
    size_t lanes;                   /* batches that may be under way at the same time; 0: 1, in order */
    struct delivery_sender *sender; /* taken */
};

/* The rules of a complete record; NULL: the defaults. */
void delivery_rules_read(const cJSON *record, struct delivery_rules *rules);
/* Of a plugin's config: its record `queue`, but what the older fields say (queue_size, flush_timeout) stands
 * instead. */
void delivery_rules_of(const cJSON *config, struct delivery_rules *rules);

/* Unknown to any thread until its first entry. */
struct delivery_queue *delivery_queue_new(const struct delivery_options *options);
/* Never waits, never fails; `delivery` is the same each time. NULL (no such thread in a test): it is lost. */
void delivery_queue_add(struct delivery_queue *queue, struct delivery *delivery, struct str entry);
/* The caller's time with it is over: it finishes by itself. NULL is fine. */
void delivery_queue_let_go(struct delivery_queue *queue);

/* ---- for senders that have descriptors of their own; delivery thread ---- */

/* A descriptor to be watched, until the sender says otherwise. Home: the sender's memory. */
struct delivery_watch {
    int fd;           /* negative: only the time */
    short events;     /* of poll(2); 0: nothing is awaited */
    int64_t until_us; /* loop_clock_us(); 0: without limit */
    /* Something has happened: revents, or 0 when the time is over. May unwatch and watch. */
    void (*on_event)(struct delivery_watch *watch, short revents);
    struct delivery_watch *next, **link; /* delivery's, as is: */
    short got;
};
void delivery_watch(struct delivery *delivery, struct delivery_watch *watch);
/* One that is not watched is fine if it is zeroed. */
void delivery_unwatch(struct delivery_watch *watch);
/* How often delivery_reopen() was called: a file opened when it was less is to be opened anew. */
unsigned delivery_reopened(const struct delivery *delivery);
