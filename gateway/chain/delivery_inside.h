#pragma once

/*
 * delivery_inside - what the thread (delivery.c), queues (delivery_queue.c) and HTTP (delivery_http.c) know
 * of each other. For these files and their tests only.
 *
 * Lives: a queue belongs to who has made it until it is let go, and to the thread from its first entry until
 * nothing is left; who is last frees it.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/chain/delivery.h"
#include "gateway/chain/delivery_queue.h"

enum {
    DELIVERY_BYTES_MAX = 256 * 1024 * 1024, /* that all queues of a node hold */
    DELIVERY_NAME_MAX = 160,
    DELIVERY_WHY_MAX = 128,
};

struct delivery {
    atomic_size_t held_bytes; /* a relaxed counter; a moment's excess is no harm */
    atomic_uint reopened;     /* likewise */
    pthread_mutex_t lock;     /* of what follows; a leaf */
    struct delivery_queue *inbox;
    bool stop;
    int64_t stop_until_us; /* loop_clock_us() */

    struct delivery_means means; /* immutable after delivery_equip() */

    /* The thread's own. */
    pthread_t thread;
    struct delivery_queue *active;
    struct delivery_watch *watches;
    void *multi;     /* libcurl's; delivery_http.c */
    bool ending;     /* nothing waits for company any more */
    int64_t told_us; /* when the last line was written */
};

enum batch_phase {
    BATCH_TRIED,   /* the sender has it */
    BATCH_ENDED,   /* the sender has said how it ended */
    BATCH_RESTING, /* until retry_at_us */
};

/* thread: delivery's */
struct batch {
    struct delivery_batch super;
    struct batch *next; /* of its queue */
    enum batch_phase phase;
    enum delivery_end end;
    int64_t first_try_us, retry_at_us;
};

struct losses {
    uint64_t full;     /* there was no room */
    uint64_t given_up; /* the sink did not take them */
};

struct delivery_queue {
    struct delivery_options options; /* name owned */
    pthread_mutex_t lock;            /* of what follows; a leaf */
    struct delivery *delivery;       /* NULL: it has never had an entry */
    struct delivery_entry *oldest, **end;
    size_t waiting, waiting_bytes;
    size_t held, held_bytes; /* in batches */
    bool is_active;          /* the thread has it, or will find it in its inbox */
    size_t wake_at; /* entries that make the thread look, which has found less; 0: it looks by itself */
    bool is_let_go;
    struct losses lost;

    /* The thread's own, but for `next` while it is in the inbox (delivery's lock). */
    struct delivery_queue *next;
    struct batch *batches;
    size_t lanes_used;
    int64_t gather_until_us; /* 0: nothing waits for company */
    bool is_failing, is_failure_told;
    int64_t failure_told_us;
    char why[DELIVERY_WHY_MAX]; /* of the last failure */
    struct losses told;
    int64_t told_us; /* when they were */
};

/* delivery.c */
struct delivery *delivery_new(void);
/* Loses what there is. Nothing may be under way that a sender could not cancel. */
void delivery_free(struct delivery *delivery);
/* Everything that is due; returns when something will be (INT64_MAX: nothing). */
int64_t delivery_turn(struct delivery *delivery, int64_t now_us);
/* From any thread, without a lock held. */
void delivery_attach(struct delivery *delivery, struct delivery_queue *queue);
void delivery_wake(struct delivery *delivery);
/* What has come of watches, as poll(2) and the clock say. */
void delivery_run_watches(struct delivery *delivery, int64_t now_us);

/* delivery_queue.c; the thread */
int64_t queue_turn(struct delivery_queue *queue, int64_t now_us);
/* Nothing waits, nothing is under way, nothing is to be told: it is the thread's no more. false: it is. */
bool queue_leave(struct delivery_queue *queue);
/* Have entries been lost that no line has told of? Then queue_tell() does. */
bool queue_has_losses(struct delivery_queue *queue);
void queue_tell(struct delivery_queue *queue);
/* Retries come at once, once. */
void queue_hurry(struct delivery_queue *queue);
/* Everything is lost. */
void queue_abandon(struct delivery_queue *queue);
void queue_free(struct delivery_queue *queue);

/* delivery_http.c */
void *delivery_http_open(void);
void delivery_http_close(void *multi);
void delivery_http_wake(void *multi);
/* Carries on what is under way, and waits for that, for watches, for a wake-up, at most until `until_us`. */
void delivery_http_wait(struct delivery *delivery, int64_t until_us);
