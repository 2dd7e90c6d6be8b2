#pragma once

/*
 * migrate - the database's schema, in ordered steps that are recorded; one node at a time.
 *
 * Steps are migrations/NNNN_name.sql, compiled into the program. A lock row lets one node migrate; others
 * wait.
 *
 * Threads: one caller with its own session. Blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bus/pg_session.h"
#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

enum migrate_state {
    MIGRATE_CURRENT, /* nothing to do */
    MIGRATE_EMPTY,   /* needs bootstrap */
    MIGRATE_BEHIND,  /* needs up */
    MIGRATE_AHEAD,   /* made by a newer version: this program must not run on it */
};

struct migrate_options {
    int64_t db_timeout_ms;   /* wait for the database */
    int64_t lock_timeout_ms; /* wait for another node's migration */
};

bool migrate_check(struct pg_session *session, enum migrate_state *state, struct err *err) MUST_CHECK;
/* Creates everything; *changed false: was there already. */
bool migrate_bootstrap(struct pg_session *session, const struct migrate_options *options, bool force,
                       bool *changed, struct err *err) MUST_CHECK;
bool migrate_up(struct pg_session *session, const struct migrate_options *options, bool *changed,
                struct err *err) MUST_CHECK;
/* Removes everything Freshet made. */
bool migrate_reset(struct pg_session *session, const struct migrate_options *options, bool *changed,
                   struct err *err) MUST_CHECK;
/* "0001_core" ...: calls step(name, executed) for each known or recorded one. */
bool migrate_list(struct pg_session *session, void (*step)(void *arg, const char *name, bool executed),
                  void *arg, struct err *err) MUST_CHECK;
