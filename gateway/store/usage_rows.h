#pragma once

/*
 * usage_rows - windows that are counted in the database, for all nodes (gateway/model/usage.h).
 *
 * Not entities: no event is appended, and a lost row costs nobody more than a window's count.
 *
 * Threads: a job's.
 */

#include <stddef.h>

#include "gateway/base/err.h"
#include "gateway/model/usage.h"
#include "gateway/store/store.h"

enum usage_rows_outcome {
    USAGE_ROWS_DONE,
    USAGE_ROWS_NOT_SENT, /* there is no connection: nothing has been written, and it can be said again */
    USAGE_ROWS_UNKNOWN   /* refused, or the connection broke: perhaps it has, perhaps it never can be */
};

/*
 * One round trip and one transaction on the primary: adds `count` of each of `adds` (the same window may be
 * there more than once), then reads those of `reads` into their `count`. It does not wait for the disk: what
 * the last moment before a crash of Postgres has counted may be lost.
 */
enum usage_rows_outcome usage_rows_exchange(struct store_session *session, const struct usage *adds,
                                            size_t add_count, struct usage *reads, size_t read_count,
                                            struct err *err);

/* Removes at most `most` rows whose windows have ended. How many; 0 after a failure, too. */
size_t usage_rows_sweep(struct store_session *session, size_t most);
