#pragma once

/*
 * group - changes of one node that wait at the same time are committed together.
 *
 * Only one transaction at a time may append to the log, and it holds the append lock for one flush of the
 * server's disk (consistency reference, 3.3). Those who would queue for it share one transaction instead:
 * each runs behind a savepoint of its own and gets a position of its own, as if it had been alone.
 *
 * Promises: whoever fails, fails alone. What would make others wait (a row that a stranger has locked) is put
 * out of the group. All answers are given after the common COMMIT: an answer may rest on what another member
 * did. Members never wait for each other's rows, so a node cannot deadlock with itself.
 *
 * Threads: any job thread. Locks: one, a leaf.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/store/store.h"

struct group;

typedef bool (*store_body_fn)(struct store_session *session, void *arg, struct store_error *error);

struct group *group_new(void);
/* Nobody is inside. */
void group_free(struct group *group);

enum group_outcome {
    GROUP_DONE,   /* committed, or nothing to commit: *receipt as of store_transact() */
    GROUP_FAILED, /* the body did not want to, or *error says why */
    GROUP_ALONE,  /* nothing has happened; a transaction of one's own is due */
};
/* Blocks until the outcome is known. The body may run on another job's thread meanwhile. */
enum group_outcome group_transact(struct group *group, struct store_session *session, store_body_fn body,
                                  void *arg, struct outbox_receipt *receipt,
                                  struct store_error *error) MUST_CHECK;
