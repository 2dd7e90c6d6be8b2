/*
 * transaction - see transaction.h.
 */

#include "gateway/store/transaction.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/store/errors.h"

static void add_ahead(struct transaction *transaction, const struct pg_statement *statement)
{
    assert(transaction->ahead_count < TRANSACTION_AHEAD);
    transaction->ahead[transaction->ahead_count++] = *statement;
}

static void add_mark(struct transaction *transaction, const char *verb, unsigned number)
{
    assert(transaction->has_begun && transaction->ahead_count == 0);
    (void)snprintf(transaction->mark, sizeof(transaction->mark), "%s m%u", verb, number);
    add_ahead(transaction, &(struct pg_statement){.sql = transaction->mark});
}

void transaction_open(struct transaction *transaction, struct pg_session *connection,
                      const struct store_options *options, int64_t lock_timeout_ms)
{
    transaction->connection = connection;
    transaction->ahead_count = 0;
    transaction->has_begun = false;
    transaction->deadline_ms = options->statement_timeout_ms;
    outbox_open(&transaction->opening, options->append_timeout_ms, lock_timeout_ms);
    for (size_t i = 0; i < COUNT(transaction->opening.statements); i++)
        add_ahead(transaction, &transaction->opening.statements[i]);
}

void transaction_mark(struct transaction *transaction, unsigned number)
{
    add_mark(transaction, "SAVEPOINT", number);
}

void transaction_go_back(struct transaction *transaction, unsigned number)
{
    if (transaction->ahead_count >
        0) /* the savepoint itself is still to be sent, or this has been asked already */
        return;
    add_mark(transaction, "ROLLBACK TO SAVEPOINT", number);
}

bool transaction_is_lost(const struct transaction *transaction)
{
    return transaction->has_begun && !pg_session_is_in_transaction(transaction->connection);
}

/* All of `statements`; results[] as pg_session_run(). */
static bool run(struct transaction *transaction, const struct pg_statement *statements, size_t count,
                PGresult **results, struct bus_err *err)
{
    struct pg_session *connection = transaction->connection;
    bool is_first = !transaction->has_begun;
    bool was_connected = pg_session_is_connected(connection);

    if (transaction_is_lost(transaction))
        return bus_err_set(err, BUS_ERR_CONNECT, "the transaction is lost with its connection");
    transaction->ahead_count = 0;
    transaction->has_begun = true;
    if (pg_session_run(connection, statements, count, results, transaction->deadline_ms, err))
        return true;
    /* The server may have gone and come back since the last job; nothing has been done yet. */
    if (!is_first || !was_connected || !is_disconnect(err))
        return false;
    pg_session_drop(connection);
    return pg_session_run(connection, statements, count, results, transaction->deadline_ms, err);
}

bool transaction_query(struct transaction *transaction, const struct pg_statement *statement,
                       PGresult **result, struct bus_err *err)
{
    struct pg_statement statements[TRANSACTION_AHEAD + 1];
    PGresult *results[TRANSACTION_AHEAD + 1];
    size_t ahead = transaction->ahead_count;

    memcpy(statements, transaction->ahead, ahead * sizeof(*statements));
    statements[ahead] = *statement;
    if (!run(transaction, statements, ahead + 1, results, err))
        return false;
    for (size_t i = 0; i < ahead; i++)
        PQclear(results[i]);
    *result = results[ahead];
    return true;
}

bool transaction_flush(struct transaction *transaction, struct bus_err *err)
{
    struct pg_statement statements[TRANSACTION_AHEAD];
    PGresult *results[TRANSACTION_AHEAD];
    size_t count = transaction->ahead_count;

    if (count == 0)
        return !transaction_is_lost(transaction) ||
               bus_err_set(err, BUS_ERR_CONNECT, "the transaction is lost with its connection");
    memcpy(statements, transaction->ahead, count * sizeof(*statements));
    if (!run(transaction, statements, count, results, err))
        return false;
    for (size_t i = 0; i < count; i++)
        PQclear(results[i]);
    return true;
}

void transaction_roll_back(struct transaction *transaction)
{
    struct bus_err
        ignored; /* a connection that cannot roll back is dropped, which ends the transaction too */

    transaction->ahead_count = 0;
    if (!transaction->has_begun || !pg_session_is_in_transaction(transaction->connection))
        return;
    if (!pg_session_command(transaction->connection, "ROLLBACK", transaction->deadline_ms, &ignored))
        pg_session_drop(transaction->connection);
}
