#pragma once

/*
 * spool - the buffers of what clients send, whose large ones are files; and what becomes of a body for which
 * there is no file.
 *
 * Such a body is lost: its buffer goes on taking bytes and forgets them, so that the client can be told. Who
 * listens hears of it in the middle of a read of libh2o's, and may do nothing there but take note.
 *
 * Threads: a buffer belongs to its loop, and so does who listens.
 */

#include <stdbool.h>
#include <stddef.h>

#include <h2o.h>

/* Embedded; heard by the thread that has joined. */
struct spool_listener {
    struct spool_listener *next;
    void (*on_lost)(struct spool_listener *listener);
};
void spool_join(struct spool_listener *listener);
/* Fine when it has not joined. */
void spool_leave(struct spool_listener *listener);

/* Bodies from so many bytes on go to files in the directory. Before loops start; for all of the process. */
void spool_use(const char *directory);

/* Whether all but its first bytes, a request's head, are forgotten. */
bool spool_is_lost(const h2o_buffer_t *buffer);
/* The same of a body that has a buffer of its own (HTTP/2). */
bool spool_is_lost_body(h2o_iovec_t body);

/* Asserts that libh2o takes its buffers from here. */
void spool_check(void);
