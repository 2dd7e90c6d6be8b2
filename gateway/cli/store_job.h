#pragma once

/*
 * store_job - a command's one piece of work on the database, run as a job of the store like those of the
 * Admin API, with all the patience there is.
 *
 * Threads: main calls, and waits; `work` runs on the store's thread.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct config;
struct schemas;
struct store_session;

/* The schema is there: migrations_ready() has said so. false: it has not run, and err says why. */
bool store_job_run(const struct config *config, const struct schemas *schemas,
                   void (*work)(struct store_session *session, void *arg), void *arg,
                   struct err *err) MUST_CHECK;
