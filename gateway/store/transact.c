/*
 * transact - one change, one position.
 *
 *   BEGIN            ahead of the body's first statement
 *   reads, writes    the body's, a round trip each; every write notes its event
 *   append, COMMIT   a round trip, and the only time the append lock is held
 *
 * In a group first (group.h), where others share the transaction; alone if that cannot be. Deadlocks and
 * serialization failures start over from the top with nothing left of the first try.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/base/metrics.h"
#include "gateway/store/errors.h"
#include "gateway/store/group.h"
#include "gateway/store/session.h"

enum {
    MAX_REPEATS = 3
};

static bool commit(struct store_session *session, struct transaction *transaction,
                   struct outbox_receipt *receipt, struct store_error *error)
{
    struct bus_err err;

    if (session->change_count == 0) {
        transaction_roll_back(transaction); /* reads only: nothing to keep, and no position is due */
        *receipt = (struct outbox_receipt){0};
        return true;
    }
    struct bus_event *events = session_events(session);
    bool committed =
        outbox_commit(transaction->connection, events, session->change_count, session->options->node_id.bytes,
                      session->options->append_timeout_ms, receipt, &err);
    free(events);
    return committed || store_error_from(error, &err);
}

static bool transact_once(struct store_session *session, store_body_fn body, void *arg,
                          struct outbox_receipt *receipt, struct store_error *error)
{
    const struct store_options *options = session->options;
    struct transaction transaction;

    store_error_fini(error);
    session_forget(session);
    transaction_open(&transaction, session->primary, options, options->append_timeout_ms);
    session->transaction = &transaction;
    bool wanted = body(session, arg, error);
    session->transaction = NULL;
    if (!wanted)
        transaction_roll_back(&transaction);
    else if (commit(session, &transaction, receipt, error))
        return true;
    session_forget(session);
    return false;
}

static bool transact(struct store_session *session, store_body_fn body, void *arg,
                     struct outbox_receipt *receipt, struct store_error *error)
{
    assert(session->transaction == NULL);
    store_error_fini(error);
    if (session->refused)
        return store_error_set(error, STORE_UNAVAILABLE, "the store is closing");
    if (session->group != NULL) {
        enum group_outcome outcome = group_transact(session->group, session, body, arg, receipt, error);
        if (outcome != GROUP_ALONE)
            return outcome == GROUP_DONE;
    }
    for (int repeats = 0;; repeats++) {
        if (transact_once(session, body, arg, receipt, error))
            return true;
        if (error->failure != STORE_CONFLICT || repeats == MAX_REPEATS)
            return false;
    }
}

bool session_append(struct store_session *session, const struct bus_event *event,
                    struct outbox_receipt *receipt, struct store_error *error)
{
    struct bus_event flagged = *event;
    const struct store_options *options = session->options;
    struct transaction transaction;
    struct bus_err err;

    assert(session->transaction == NULL);
    if (session->refused)
        return store_error_set(error, STORE_UNAVAILABLE, "the store is closing");
    flagged.flags = session_flags(session);
    session_forget(session);
    transaction_open(&transaction, session->primary, options, options->append_timeout_ms);
    return (transaction_flush(&transaction, &err) &&
            outbox_commit(session->primary, &flagged, 1, options->node_id.bytes, options->append_timeout_ms,
                          receipt, &err)) ||
           store_error_from(error, &err);
}

/* What the client has asked for and cannot have is not among them. */
static void count_failure(enum store_failure failure)
{
    static const struct {
        enum store_failure failure;
        enum metric metric;
    } counted[] = {{STORE_UNAVAILABLE, METRIC_APPENDS_UNAVAILABLE},
                   {STORE_UNKNOWN_OUTCOME, METRIC_APPENDS_UNKNOWN},
                   {STORE_CONFLICT, METRIC_APPENDS_CONFLICT},
                   {STORE_REJECTED, METRIC_APPENDS_REJECTED}};

    for (size_t i = 0; i < COUNT(counted); i++)
        if (counted[i].failure == failure)
            metrics_add(counted[i].metric, 1);
}

bool store_transact(struct store_session *session,
                    bool (*body)(struct store_session *session, void *arg, struct store_error *error),
                    void *arg, struct outbox_receipt *receipt, struct store_error *error)
{
    bool committed = transact(session, body, arg, receipt, error);

    if (committed)
        metrics_add(METRIC_APPENDS, receipt->position != 0 ? 1 : 0);
    else
        count_failure(error->failure);
    return committed;
}

bool store_say(struct store_session *session, const char *word, struct outbox_receipt *receipt,
               struct store_error *error)
{
    struct bus_event event = {.kind = BUS_EVENT_BARRIER};

    assert(strlen(word) < sizeof(event.entity));
    (void)snprintf(event.entity, sizeof(event.entity), "%s", word);
    return session_append(session, &event, receipt, error);
}

void store_ask_acknowledgement(struct store_session *session, bool wanted)
{
    session->acknowledged = wanted;
}

size_t store_committed_keys(struct store_session *session, const uint8_t (**keys)[16])
{
    *keys = (const uint8_t(*)[16])session->keys;
    return session->key_count;
}

size_t store_committed_count(const struct store_session *session)
{
    return session->change_count;
}

struct store_change store_committed(const struct store_session *session, size_t index)
{
    const struct change *change = &session->changes[index];

    return (struct store_change){change->schema, change->id, change->kind};
}
