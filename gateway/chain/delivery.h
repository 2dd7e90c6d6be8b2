#pragma once

/*
 * delivery - the thread that carries to other servers what loggers and tracers have to tell.
 *
 * One per node, however many plugins there are. It drives every queue (delivery_queue.h) and whatever their
 * senders do, and never waits for one of them: a sink that hangs holds up its own queue alone.
 *
 * Threads: delivery_open() and delivery_close() belong to one that may block.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct delivery;
struct resolver;

/* What senders may need besides. Borrowed until delivery_close(). */
struct delivery_means {
    struct resolver *resolver; /* NULL: hosts are addresses */
    const char *log_socket;    /* where the syslog daemon of this machine listens; NULL: /dev/log */
};

bool delivery_open(struct delivery **delivery, struct err *err) MUST_CHECK;
/*
 * What is queued is sent, without waiting for fuller batches and as long as there is hope, for at most
 * `patience_ms`; what is left then is lost and counted. Every queue must have been let go. NULL is fine.
 */
void delivery_close(struct delivery *delivery, int64_t patience_ms);
/* After files have been renamed: senders that keep one open it anew before they write to it again. Any
 * thread. NULL is fine. */
void delivery_reopen(struct delivery *delivery);

/* Before the first entry is added to any queue. */
void delivery_equip(struct delivery *delivery, const struct delivery_means *means);
/* For senders; delivery thread. */
const struct delivery_means *delivery_means(const struct delivery *delivery);
