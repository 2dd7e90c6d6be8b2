#pragma once

/*
 * store - entities in Postgres: threads that run database jobs, and the blocking calls a job makes.
 *
 * A job is written top to bottom: begin, read, validate, write, commit. Every statement has a deadline. Each
 * change is one transaction with its events; the receipt carries its position. Fills (loads for the keyed
 * cache) have threads of their own and are batched: those that wait for the same kind of look-up travel in
 * one statement.
 *
 * Threads: store_open/close: main. store_submit and store_fill: any. Everything with a struct store_session:
 * the job.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "bus/outbox.h"
#include "bus/pg_session.h"
#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"
#include "gateway/model/schema.h"

struct store;
struct store_session;

struct store_options {
    struct pg_options primary;
    struct pg_options replica;     /* host NULL: none */
    bool replica_without_log;      /* replica_gate=delay: its answers have no position (0) */
    const struct schemas *schemas; /* borrowed */
    struct digest_salt salt;
    struct uuid node_id;          /* origin of events */
    int job_threads;              /* default 8: jobs of the Admin API */
    bool commits_together;        /* jobs that write at the same time share transactions (group.h) */
    int fill_threads;             /* default 2 */
    int max_queued_jobs;          /* default 1024 */
    int64_t statement_timeout_ms; /* pg_timeout */
    int64_t append_timeout_ms;    /* cluster_append_timeout */
};

bool store_open(const struct store_options *options, struct store **store, struct err *err) MUST_CHECK;
/* Finishes what runs, fails what waits. */
void store_close(struct store *store);

/* Runs `run` on a job thread. false: the queue is full, nothing happens. */
bool store_submit(struct store *store, void (*run)(struct store_session *session, void *arg),
                  void *arg) MUST_CHECK;

/*
 * A load for the keyed cache, batched with others of the same schema and lookup. on_done is called once on a
 * fill thread. The request lives until then. `value` is what the lookup's column must equal.
 */
struct store_fill {
    struct store_fill *next; /* the store's */
    const struct schema *schema;
    int lookup; /* index in schema->lookups */
    struct str value;
    bool from_replica; /* falls back to the primary when there is none */
    void (*on_done)(struct store_fill *fill);
    /* The answer: */
    bool failed;
    uint64_t position;
    int64_t tag;
    void *object; /* typed (schema->decode), of a list all rows in one; NULL: no such row */
    size_t bytes;
};
void store_fill(struct store *store, struct store_fill *fill);

/* ---- inside a job ---- */

/* Why a call failed, in the terms of the Admin API's error object. */
enum store_failure {
    STORE_OK,
    STORE_UNAVAILABLE,     /* no database, or no answer in time */
    STORE_UNKNOWN_OUTCOME, /* COMMIT sent, answer lost */
    STORE_PRIMARY_KEY,     /* id exists; `key` {"id":..} */
    STORE_UNIQUE,          /* `key`: the fields and values that clash */
    STORE_FOREIGN_KEY,     /* insert/update: `key` {"service":{"id":..}}, `other` the referenced schema */
    STORE_REFERENCED,      /* delete: `other` the schema that still refers to it */
    STORE_BAD_OFFSET,      /* paging token; err says how */
    STORE_TOO_LONG,        /* a value no index takes */
    STORE_CONFLICT,        /* serialization or deadlock, retries used up */
    STORE_REJECTED,        /* anything else Postgres refused */
};
/* Begins as {0}; a call that fails replaces what is in it, a call that succeeds leaves it alone. */
struct store_error {
    enum store_failure failure;
    cJSON *key; /* owned by the error; NULL unless said above */
    const struct schema *other;
    struct err err; /* a sentence for the log */
};
void store_error_fini(struct store_error *error);

/*
 * One transaction: body runs between BEGIN and COMMIT. It returns true to commit, false to roll back (no
 * change). Events of all changes made inside are appended on commit. Runs again from the start when Postgres
 * reports a deadlock or serialization failure (three times), so body must be repeatable; and it may run on
 * another job's thread, in a transaction with others, whose changes it sees. A transaction without changes
 * takes no position (receipt->position 0).
 *
 * false: nothing has changed (but see STORE_UNKNOWN_OUTCOME). error->failure is STORE_OK when it was the body
 * that did not want to.
 */
bool store_transact(struct store_session *session,
                    bool (*body)(struct store_session *session, void *arg, struct store_error *error),
                    void *arg, struct outbox_receipt *receipt, struct store_error *error) MUST_CHECK;
/*
 * Says a word (bus/event.h, kind 4) to every node that runs, through the log: a transaction that changes
 * nothing. Nodes that start over or start later do not hear it; one that failed to act may hear it again.
 */
bool store_say(struct store_session *session, const char *word, struct outbox_receipt *receipt,
               struct store_error *error) MUST_CHECK;
/* From now on in this job: nodes that apply what it commits say so at once (store/cluster.h). At the
 * beginning of a job it is not so. */
void store_ask_acknowledgement(struct store_session *session, bool wanted);
/* After a commit: digests of the keys its events named, for bus_announce(). Valid until the next transaction.
 */
size_t store_committed_keys(struct store_session *session, const uint8_t (**keys)[16]);

enum store_change_kind {
    STORE_CREATED,
    STORE_UPDATED,
    STORE_DELETED
};
struct store_change {
    const struct schema *schema;
    struct uuid id;
    enum store_change_kind kind;
};
/* Likewise: what was changed, cascades included, in the order in which it was done. */
size_t store_committed_count(const struct store_session *session);
struct store_change store_committed(const struct store_session *session, size_t index);

enum store_lock {
    STORE_READ,
    STORE_FOR_UPDATE
};

/*
 * One document by a unique field ("id" or another); value is text. *document NULL: there is none. Always from
 * the primary, so that who has written sees what he wrote; outside a transaction it is one statement of its
 * own. STORE_FOR_UPDATE only inside one.
 *
 * Of a kind with a ttl the document has two members that are no fields: `ttl`, whole seconds left, and
 * `expires_at`, the instant itself, which clients do not see.
 */
bool store_find(struct store_session *session, const struct schema *schema, const char *field,
                struct str value, enum store_lock lock, cJSON **document,
                struct store_error *error) MUST_CHECK;

/* The same by a field that is unique among those that refer to one parent. */
struct store_child {
    const struct schema *schema;
    const char *field;
    struct str value;
    const char *parent_field; /* the foreign one */
    struct uuid parent;
};
bool store_find_child(struct store_session *session, const struct store_child *child, enum store_lock lock,
                      cJSON **document, struct store_error *error) MUST_CHECK;

struct store_page_query {
    const struct schema *schema;
    const char *parent_field; /* nested lists: the foreign field that must equal parent; NULL: none */
    struct uuid parent;
    const char *match_field; /* consumers?custom_id=; NULL: none */
    struct str match_value;
    const struct str *tags; /* filter */
    size_t tag_count;
    bool any_tag;      /* OR instead of AND */
    int size;          /* 1..1000 */
    struct str offset; /* opaque token; at == NULL: from the start */
    bool as_text;      /* documents come as Postgres wrote them, to be shown and not to be looked into */
    bool newest_first; /* then `skip` rows are passed over, `offset` is not used, and tokens are positions */
    int64_t skip;
};
struct store_page {
    cJSON *documents;  /* array; owned by the caller */
    char *next_offset; /* NULL: last page; owned by the caller */
};
bool store_list(struct store_session *session, const struct store_page_query *query, struct store_page *page,
                struct store_error *error) MUST_CHECK;

/* One field of all children of some entities. */
struct store_children {
    const struct schema *schema;
    const char *field;
    const char *parent_field;
    const cJSON *parents; /* a document or an array of them */
};
/* Lists by the parents' ids, in the order of bytes; the caller owns them. */
bool store_list_children(struct store_session *session, const struct store_children *children, cJSON **lists,
                         struct store_error *error) MUST_CHECK;

/* Rows {"tag", "entity_name", "entity_id"} of all entities clients see, in the order of ids. */
struct store_tags_query {
    struct str tag;    /* at == NULL: every tag */
    int size;          /* 1..1000 */
    struct str offset; /* opaque token; at == NULL: from the start */
};
bool store_tags(struct store_session *session, const struct store_tags_query *query, struct store_page *page,
                struct store_error *error) MUST_CHECK;

/* Complete documents. Inside store_transact() only. */
bool store_insert(struct store_session *session, const struct schema *schema, const cJSON *document,
                  struct store_error *error) MUST_CHECK;
/* `old` was read with STORE_FOR_UPDATE in this transaction; its keys are named in the event too. */
bool store_update(struct store_session *session, const struct schema *schema, const cJSON *old,
                  const cJSON *document, struct store_error *error) MUST_CHECK;
/* With everything that cascades, one event each. */
bool store_delete(struct store_session *session, const struct schema *schema, const cJSON *old,
                  struct store_error *error) MUST_CHECK;

/* Distinct names of configured plugins (GET /). Array of strings, owned by the caller. */
bool store_plugin_names(struct store_session *session, cJSON **names, struct store_error *error) MUST_CHECK;
/* All there are, as clients see them. Array, owned by the caller. */
bool store_workspaces(struct store_session *session, cJSON **documents, struct store_error *error) MUST_CHECK;
/* Is the primary reachable? One cheap statement. */
bool store_ping(struct store_session *session, struct store_error *error) MUST_CHECK;

/* ---- in the view of a batch (bus thread) ---- */

/* Every row of a schema, as documents that live during the callback. Streams; memory stays flat. */
bool store_view_all(struct pg_session *view, const struct schema *schema,
                    bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                    struct err *err) MUST_CHECK;
/* At most `limit` of them in the order of their ids, from behind `after` (nil: from the first) on. */
bool store_view_page(struct pg_session *view, const struct schema *schema, const struct uuid *after,
                     size_t limit, bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                     size_t *rows, struct err *err) MUST_CHECK;
bool store_view_count(struct pg_session *view, const struct schema *schema, uint64_t *rows,
                      struct err *err) MUST_CHECK;
/*
 * Look-ups of the keyed cache, all of one schema and column, answered from this snapshot. `fills` is a list
 * by `next`; schema, lookup and value are given, the answers and `failed` (a row that does not decode) are
 * written.
 */
bool store_view_fills(struct pg_session *view, struct store_fill *fills, struct err *err) MUST_CHECK;
/* The rows with these ids that exist. */
bool store_view_ids(struct pg_session *view, const struct schema *schema, const struct uuid *ids,
                    size_t count, bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                    struct err *err) MUST_CHECK;
