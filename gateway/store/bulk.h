#pragma once

/*
 * bulk - many rows at once, for declarative files.
 *
 * Threads: store_find_salt() and store_look(): the caller's, on a connection of their own. The others: the
 * job, inside store_transact().
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "bus/pg_session.h"
#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/err.h"
#include "gateway/store/store.h"

/* What the database's keys are hashed with (store_options.salt). */
bool store_find_salt(const struct pg_options *primary, int64_t timeout_ms, struct digest_salt *salt,
                     struct err *err) MUST_CHECK;

/* Reads in which everything is of one moment: store_view_all() and the like. */
bool store_look(const struct pg_options *primary, int64_t timeout_ms,
                bool (*body)(struct pg_session *view, void *arg, struct err *err), void *arg,
                struct err *err) MUST_CHECK;

/* Every row of a schema, as the transaction sees it. The document lives during the callback. */
bool store_read_all(struct store_session *session, const struct schema *schema,
                    bool (*row)(void *arg, const cJSON *document, struct err *err), void *arg,
                    struct store_error *error) MUST_CHECK;

/* `documents`: an array of complete ones, in one statement; each with its event. */
bool store_insert_all(struct store_session *session, const struct schema *schema, const cJSON *documents,
                      struct store_error *error) MUST_CHECK;
