#pragma once

/*
 * loop - one event loop and the thread that runs it.
 *
 * Threads: everything bound to a loop is touched on its thread only. loop_post() may be called from any
 * thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <h2o.h>

#include "gateway/base/err.h"

struct loop;

/* Embedded by the sender; must stay until run() was called, which may free it. Never post one that is still
 * posted. */
struct loop_message {
    struct loop_message *next; /* the loop's */
    void (*run)(struct loop_message *message);
};

bool loop_open(const char *name, struct loop **loop, struct err *err) MUST_CHECK;
/* After its thread has ended. */
void loop_close(struct loop *loop);

/* Starts the thread; on_start runs first on it. */
bool loop_start(struct loop *loop, void (*on_start)(void *arg), void *arg, struct err *err) MUST_CHECK;
/* Any thread: makes the thread leave after its current turn; what was posted before still runs. */
void loop_stop(struct loop *loop);
void loop_join(struct loop *loop);
/* After loop_join(), once nobody can post any more: runs what came too late, on the caller's thread. */
void loop_run_late(struct loop *loop);

/*
 * Runs on the loop's thread as the last thing it does, the last registered first: whoever took buffers from
 * h2o gives them back there, since h2o keeps them per thread. Embedded by the caller, who stays until then.
 */
struct loop_end {
    struct loop_end *next; /* the loop's */
    void (*on_end)(struct loop_end *end);
};
void loop_on_end(struct loop *loop, struct loop_end *end);

/*
 * Runs once at the end of the turn that is under way, after everything that has arrived was dealt with: what
 * many requests of one turn have to say to one peer can leave together. Embedded by the caller.
 */
struct loop_later {
    struct loop_later *next; /* the loop's */
    bool is_waiting;         /* the loop's: it has been asked for */
    void (*run)(struct loop_later *later);
};
/* Once, however often it is asked for. On the loop. */
void loop_run_later(struct loop *loop, struct loop_later *later);
/* Fine when it does not wait. */
void loop_forget_later(struct loop *loop, struct loop_later *later);

void loop_post(struct loop *loop, struct loop_message *message);
bool loop_is_mine(const struct loop *loop);
h2o_loop_t *loop_h2o(struct loop *loop);
/* One more turn from inside loop_end: lets closing sockets finish. */
void loop_turn(struct loop *loop, int wait_ms);
/* Monotonic milliseconds (CLOCK_BOOTTIME), read once per turn. */
int64_t loop_now_ms(const struct loop *loop);
/* Microseconds, read now. */
int64_t loop_clock_us(void);
