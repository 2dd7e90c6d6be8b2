#pragma once

/*
 * echo - does a line bring back what is sent on it?
 *
 * A connection can be alive and its subscription dead; nothing but a message that does not come shows that.
 * A node hears its own messages like everybody else's, so one that does not come back means a dead line. When
 * nothing has been heard for a while, a beacon is sent: it moves everybody's next beacon away, so that the
 * whole cluster sends about one per period, and whoever does not hear the others soon sends his own and
 * finds out.
 *
 * Pure: no I/O; time and chance are passed in. Threads: the channel's.
 */

#include <stdbool.h>
#include <stdint.h>

struct echo {
    int64_t awaited_us; /* since when a message of ours has been out; 0: none is */
    int64_t beacon_us;  /* when to send a beacon */
};

/* A line has been opened. uniform: [0, 1), likewise below. */
void echo_init(struct echo *echo, int64_t now_us, double uniform);
/* A message has gone out. */
void echo_sent(struct echo *echo, int64_t now_us);
/* A message of this cluster has come in. */
void echo_heard(struct echo *echo, int64_t now_us, bool is_own, double uniform);

bool echo_is_lost(const struct echo *echo, int64_t now_us);
bool echo_wants_beacon(const struct echo *echo, int64_t now_us);
/* When one of the two may next become true. */
int64_t echo_due_us(const struct echo *echo);
