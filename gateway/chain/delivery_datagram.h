#pragma once

/*
 * delivery_datagram - a sender that carries entries as datagrams: by UDP to a host, or to the
 * syslog daemon of this machine.
 *
 * UDP gives no word that anything has arrived. What the machine says at once (nobody listens there, too
 * large, no way) ends the batch: it is given up, or tried again if nothing of it has been sent.
 *
 * Threads: making: any; all else: delivery's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

struct delivery_sender;

/*
 * The next datagram of `entry` from `*from` on, which moves on; false: there is none left. It is part of the
 * entry, or written into `room`.
 */
typedef bool (*delivery_cut_fn)(struct str entry, size_t limit, size_t *from, struct buf *room,
                                struct str *datagram);

struct delivery_datagram_options {
    const char *host; /* copied; NULL: the syslog socket of this machine (delivery.h) */
    int port;
    int64_t timeout_ms;  /* of one try; 0: a minute */
    delivery_cut_fn cut; /* NULL: an entry is a datagram */
    size_t limit;        /* for `cut` */
    bool joined;         /* all entries of a batch are cut as one */
};

struct delivery_sender *delivery_datagram_new(const struct delivery_datagram_options *options);
