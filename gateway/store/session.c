/*
 * session - statements of one job, and the events that its transaction will append.
 */

#include "gateway/store/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/store/errors.h"

static struct change *new_change(struct store_session *session)
{
    if (session->change_count == session->change_capacity) {
        session->change_capacity = session->change_capacity > 0 ? session->change_capacity * 2 : 16;
        session->changes =
            mem_realloc(session->changes, session->change_capacity * sizeof(*session->changes));
    }
    struct change *change = &session->changes[session->change_count++];
    *change = (struct change){.first_key = session->key_count};
    return change;
}

/* A key that did not change is in both versions; it is named once. */
static void add_key(void *arg, int lookup, struct str key)
{
    struct store_session *session = arg;
    struct change *change = &session->changes[session->change_count - 1];
    struct digest digest;

    (void)lookup;
    digest_make(&session->options->salt, key, &digest);
    for (size_t i = change->first_key; i < session->key_count; i++)
        if (memcmp(session->keys[i], digest.bytes, sizeof(digest.bytes)) == 0)
            return;
    if (session->key_count == session->key_capacity) {
        session->key_capacity = session->key_capacity > 0 ? session->key_capacity * 2 : 32;
        session->keys = mem_realloc(session->keys, session->key_capacity * sizeof(*session->keys));
    }
    memcpy(session->keys[session->key_count++], digest.bytes, sizeof(digest.bytes));
    change->key_count++;
}

void session_init(struct store_session *session, struct store *store, const struct store_options *options)
{
    *session = (struct store_session){.store = store, .options = options};
    session->primary = pg_session_new(&options->primary);
}

void session_fini(struct store_session *session)
{
    pg_session_free(session->primary);
    free(session->changes);
    free(session->keys);
}

bool session_query(struct store_session *session, const struct pg_statement *statement, PGresult **result,
                   struct bus_err *err)
{
    int64_t deadline_ms = session->options->statement_timeout_ms;

    if (session->refused)
        return bus_err_set(err, BUS_ERR_CONNECT, "the store is closing");
    if (session->transaction != NULL)
        return transaction_query(session->transaction, statement, result, err);
    bool was_connected = pg_session_is_connected(session->primary);
    if (pg_session_run(session->primary, statement, 1, result, deadline_ms, err))
        return true;
    if (!was_connected || !is_disconnect(err))
        return false;
    pg_session_drop(session->primary);
    return pg_session_run(session->primary, statement, 1, result, deadline_ms, err);
}

void session_forget(struct store_session *session)
{
    session->change_count = 0;
    session->key_count = 0;
}

unsigned session_flags(const struct store_session *session)
{
    return session->acknowledged ? BUS_EVENT_ACKNOWLEDGE : 0;
}

struct bus_event *session_events(const struct store_session *session)
{
    struct bus_event *events = mem_zalloc(session->change_count * sizeof(*events));

    for (size_t i = 0; i < session->change_count; i++) {
        const struct change *change = &session->changes[i];
        struct bus_event *event = &events[i];
        event->kind = BUS_EVENT_ROW;
        event->flags = session_flags(session);
        (void)snprintf(event->entity, sizeof(event->entity), "%s", change->schema->name);
        event->has_id = true;
        memcpy(event->id, change->id.bytes, sizeof(event->id));
        event->key_count = change->key_count;
        if (change->key_count > 0)
            event->keys = (const uint8_t(*)[16])(session->keys + change->first_key);
    }
    return events;
}

static enum store_change_kind kind_of(const cJSON *old, const cJSON *new)
{
    if (old == NULL)
        return STORE_CREATED;
    return new == NULL ? STORE_DELETED : STORE_UPDATED;
}

void session_note(struct store_session *session, const struct schema *schema, const cJSON *old,
                  const cJSON *new)
{
    struct change *change = new_change(session);
    bool has_id = document_id(new != NULL ? new : old, &change->id);

    assert(has_id);
    (void)has_id;
    change->schema = schema;
    change->kind = kind_of(old, new);
    if (schema->cache_keys == NULL)
        return;
    if (old != NULL)
        schema->cache_keys(schema, old, add_key, session);
    if (new != NULL)
        schema->cache_keys(schema, new, add_key, session);
}

cJSON *row_document(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return NULL;
    return cJSON_ParseWithLength(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}
