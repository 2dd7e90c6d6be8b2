#pragma once

/*
 * database - the settings pg_* and pg_ro_* as the options of a session.
 *
 * Threads: any. Texts are the config's.
 */

#include <stdbool.h>

#include "gateway/store/migrate.h"

struct config;

/* replica: pg_ro_*; host is NULL when there is none. */
void database_options(const struct config *config, bool replica, struct pg_options *options);
