#pragma once

/*
 * sql - what the bus's follower gets for its statements: stand-ins for bus/poller, bus/pg_session,
 * bus/registry and bus/trim, over the simulated servers.
 */

#include <stdbool.h>
#include <stdint.h>

struct bus_err;
struct commit;
struct pg_session;
struct world;

/* The sessions of the run to come belong to its nodes, by bus_options.primary.port. */
void sql_begin(struct world *world);
/* The state that the open view shows. */
const struct commit *sql_view(const struct pg_session *session);
/* When it was opened, in steps. */
uint64_t sql_view_step(const struct pg_session *session);
/* A statement inside the view. false: it failed, and the view is gone. */
bool sql_read_rows(struct pg_session *session, struct bus_err *err);
