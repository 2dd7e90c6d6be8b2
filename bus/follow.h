#pragma once

/*
 * follow - the thread that follows the event log: sleeps until poll time or the bell, polls, hands batches to
 * the subscriber, starts over when history contradicts itself.
 *
 * What other threads need of it is on the board (board.h), which this thread writes and everybody reads.
 *
 * Threads: open and close belong to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/board.h"
#include "bus/bus.h"

struct follow;

struct follow_options {
    const struct bus_options *bus; /* borrowed for the call; strings that are kept are copied */
    struct board *board;           /* borrowed for the follower's life */
    /* On the bus thread, after a resync: the identity may be another one. */
    void (*on_restart)(void *arg, const uint8_t history[16]);
    /* On the bus thread: a scheduled poll has found commits up to this one, of which nobody had told in time.
     */
    void (*on_missed)(void *arg, uint64_t position, int64_t tag);
    /* On the bus thread, for the registry: JSON that says how this node hears of changes. */
    void (*describe)(void *arg, char *json, size_t size);
    void *arg;
};

/* Registers the node and performs the first resync on the caller's thread; then the bus thread is started. */
bool follow_open(const struct follow_options *options, struct follow **follow, struct bus_err *err);
/* Stops the thread and removes the node from the registry. NULL is fine. */
void follow_close(struct follow *follow);
