#pragma once

/*
 * channel - tells other nodes that the log has grown, and hears it from them.
 *
 * Whatever happens to a message, nothing but time is lost: it can only ring the bell. Connecting,
 * reconnecting and silence all mean "poll now", since messages sent meanwhile are gone for good.
 *
 * Threads: open and close belong to one thread; the other functions may be called from any and never block on
 * I/O. Callbacks run on the channel's own thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/bus.h"
#include "bus/hint.h"

struct channel;

struct channel_options {
    const struct pg_options
        *primary; /* for BUS_CHANNEL_PG_NOTIFY; copied by reference: outlives the channel */
    uint8_t node_id[16];
    void (*on_hint)(void *arg, const struct hint *hint);
    void (*on_ring)(void *arg); /* something may have been missed */
    bool (*has_heard)(void *arg, uint64_t position);
    void *arg;
    void (*log)(void *arg, enum bus_log_level level, const char *text);
    void *log_arg;
};

bool channel_open(const struct channel_options *options, struct channel **channel, struct bus_err *err);
/* Sends what is waiting if that goes at once. NULL is fine. */
void channel_close(struct channel *channel);

/* Connects, reconnects or hangs up as needed; the same settings again change nothing. Copies. */
void channel_configure(struct channel *channel, const struct bus_live *live);
/* Whose changes are told: part of the channel's name and of every message. */
void channel_set_history(struct channel *channel, const uint8_t history[16]);

/* Leaves at once if the channel is up; otherwise waits, merged with others, until it is. */
void channel_tell(struct channel *channel, uint64_t position, int64_t tag, const uint8_t (*keys)[16],
                  size_t count);
/* On behalf of a writer that has not told: a little later, unless somebody else was faster. */
void channel_tell_again(struct channel *channel, uint64_t position, int64_t tag);

/* Fills in what the channel counts; leaves the other members alone. */
void channel_read_stats(struct channel *channel, struct bus_stats *stats);
