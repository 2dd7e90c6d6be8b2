#pragma once

/*
 * transaction - a transaction that is opened by its first statement.
 *
 * BEGIN, SAVEPOINT and ROLLBACK TO wait for the next statement and travel ahead of it, so they cost no round
 * trip; a transaction in which nothing is said costs nothing at all.
 *
 * Threads: one at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "bus/outbox.h"
#include "bus/pg_session.h"
#include "gateway/base/attributes.h"
#include "gateway/store/store.h"

enum {
    TRANSACTION_AHEAD = 4
};

struct transaction {
    struct pg_session *connection; /* borrowed */
    int64_t deadline_ms;           /* of each round trip */
    struct outbox_opening opening;
    struct pg_statement ahead[TRANSACTION_AHEAD];
    size_t ahead_count;
    bool has_begun; /* BEGIN has been sent: the connection may not be replaced any more */
    char mark[48];  /* text of the SAVEPOINT or ROLLBACK TO that is ahead */
};

/* lock_timeout_ms: patience with the row locks of others. The transaction stays where it was made. */
void transaction_open(struct transaction *transaction, struct pg_session *connection,
                      const struct store_options *options, int64_t lock_timeout_ms);
/* Sets savepoint `number`; something has been said since BEGIN and since the savepoint before. */
void transaction_mark(struct transaction *transaction, unsigned number);
/* Back to the newest savepoint, which is `number` and stays. */
void transaction_go_back(struct transaction *transaction, unsigned number);

/* One statement and what is ahead of it. On success the caller owns *result. */
bool transaction_query(struct transaction *transaction, const struct pg_statement *statement,
                       PGresult **result, struct bus_err *err) MUST_CHECK;
/* Sends what is ahead, for who needs the transaction open now. */
bool transaction_flush(struct transaction *transaction, struct bus_err *err) MUST_CHECK;
/* The connection broke: nothing of the transaction is left. */
bool transaction_is_lost(const struct transaction *transaction);
/* Nothing has happened; the connection is free for another one. */
void transaction_roll_back(struct transaction *transaction);
