#pragma once

/*
 * session - what a job holds while it runs: its connection, its transaction, and the events it owes.
 *
 * Threads: one job thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <libpq-fe.h>

#include "bus/pg_session.h"
#include "gateway/base/attributes.h"
#include "gateway/base/uuid.h"
#include "gateway/model/schema.h"
#include "gateway/store/store.h"
#include "gateway/store/transaction.h"

struct group;

struct change {
    const struct schema *schema;
    struct uuid id;
    enum store_change_kind kind;
    size_t first_key; /* in session->keys */
    size_t key_count;
};

struct store_session {
    struct store *store;
    const struct store_options *options;
    struct pg_session *primary;
    bool refused;                    /* the store closes and this job had not begun: every call fails */
    struct transaction *transaction; /* the one that runs; perhaps on the connection of another thread */
    struct group *group;             /* those who commit together; NULL: everybody for himself */
    struct change *changes;
    size_t change_count, change_capacity;
    uint8_t (*keys)[16]; /* digests, of all changes one after the other */
    size_t key_count, key_capacity;
    bool acknowledged; /* every node is asked to say at once how far it has come */
};

void session_init(struct store_session *session, struct store *store, const struct store_options *options);
void session_fini(struct store_session *session);

/*
 * One statement. Outside a transaction it is tried again when the connection turns out
 * to be a dead one. On success the caller owns *result; on failure `err` says why.
 */
bool session_query(struct store_session *session, const struct pg_statement *statement, PGresult **result,
                   struct bus_err *err) MUST_CHECK;

/* Forgets the events noted so far. */
void session_forget(struct store_session *session);
/* The events noted so far, for the log. Owned by the caller; the keys in them are the session's. */
struct bus_event *session_events(const struct store_session *session);

/* Of all its events (bus/event.h). */
unsigned session_flags(const struct store_session *session);
/* A commit of its own that is nothing but this event. */
bool session_append(struct store_session *session, const struct bus_event *event,
                    struct outbox_receipt *receipt, struct store_error *error) MUST_CHECK;

/* Remembers an event of the running transaction; old or new may be NULL. */
void session_note(struct store_session *session, const struct schema *schema, const cJSON *old,
                  const cJSON *new);

/* The document in a column of a row; NULL for SQL NULL. The caller owns it. */
cJSON *row_document(const PGresult *result, int row, int column);
