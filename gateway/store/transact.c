/*
 * transact - one change, one transaction, one position.
 *
 *   BEGIN            outbox_begin()      a round trip
 *   reads, writes    the body's          one each; every write notes its event
 *   append, COMMIT   outbox_commit()     a round trip, and the only time the append lock is held
 *
 * Deadlocks and serialization failures start over from the top with nothing left of the first try.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/store/errors.h"
#include "gateway/store/session.h"

enum {
    MAX_REPEATS = 3
};

static bool begin(struct store_session *session, struct store_error *error)
{
    int64_t timeout_ms = session->options->append_timeout_ms;
    struct bus_err err;

    if (session->refused)
        return store_error_set(error, STORE_UNAVAILABLE, "the store is closing");
    session->change_count = 0;
    session->key_count = 0;
    bool was_connected = pg_session_is_connected(session->primary);
    if (outbox_begin(session->primary, timeout_ms, &err))
        return true;
    /* The server may have gone and come back since the last job; nothing has been done yet. */
    if (was_connected && is_disconnect(&err)) {
        pg_session_drop(session->primary);
        if (outbox_begin(session->primary, timeout_ms, &err))
            return true;
    }
    return store_error_from(error, &err);
}

static void rollback(struct store_session *session)
{
    struct bus_err err;

    session->change_count = 0;
    session->key_count = 0;
    if (!pg_session_is_in_transaction(session->primary))
        return;
    if (!pg_session_command(session->primary, "ROLLBACK", session->options->statement_timeout_ms, &err))
        pg_session_drop(session->primary);
}

static struct bus_event *make_events(const struct store_session *session)
{
    struct bus_event *events = mem_zalloc(session->change_count * sizeof(*events));

    for (size_t i = 0; i < session->change_count; i++) {
        const struct change *change = &session->changes[i];
        struct bus_event *event = &events[i];
        event->kind = BUS_EVENT_ROW;
        (void)snprintf(event->entity, sizeof(event->entity), "%s", change->schema->name);
        event->has_id = true;
        memcpy(event->id, change->id.bytes, sizeof(event->id));
        event->key_count = change->key_count;
        if (change->key_count > 0)
            event->keys = (const uint8_t(*)[16])(session->keys + change->first_key);
    }
    return events;
}

static bool commit(struct store_session *session, struct outbox_receipt *receipt, struct store_error *error)
{
    struct bus_err err;

    if (session->change_count == 0) {
        rollback(session); /* reads only: nothing to keep, and no position is due */
        *receipt = (struct outbox_receipt){0};
        return true;
    }
    struct bus_event *events = make_events(session);
    bool committed =
        outbox_commit(session->primary, events, session->change_count, session->options->node_id.bytes,
                      session->options->append_timeout_ms, receipt, &err);
    free(events);
    return committed || store_error_from(error, &err);
}

static bool transact_once(struct store_session *session,
                          bool (*body)(struct store_session *session, void *arg, struct store_error *error),
                          void *arg, struct outbox_receipt *receipt, struct store_error *error)
{
    store_error_fini(error);
    if (!begin(session, error))
        return false;
    session->in_transaction = true;
    bool wanted = body(session, arg, error);
    session->in_transaction = false;
    if (!wanted) {
        rollback(session);
        return false;
    }
    if (commit(session, receipt, error))
        return true;
    session->change_count = 0;
    session->key_count = 0;
    return false;
}

bool store_transact(struct store_session *session,
                    bool (*body)(struct store_session *session, void *arg, struct store_error *error),
                    void *arg, struct outbox_receipt *receipt, struct store_error *error)
{
    assert(!session->in_transaction);
    for (int repeats = 0;; repeats++) {
        if (transact_once(session, body, arg, receipt, error))
            return true;
        if (error->failure != STORE_CONFLICT || repeats == MAX_REPEATS)
            return false;
    }
}

bool store_say(struct store_session *session, const char *word, struct outbox_receipt *receipt,
               struct store_error *error)
{
    struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    const struct store_options *options = session->options;
    struct bus_err err;

    assert(!session->in_transaction && strlen(word) < sizeof(event.entity));
    (void)snprintf(event.entity, sizeof(event.entity), "%s", word);
    return begin(session, error) &&
           (outbox_commit(session->primary, &event, 1, options->node_id.bytes, options->append_timeout_ms,
                          receipt, &err) ||
            store_error_from(error, &err));
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
