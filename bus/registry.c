/* The heartbeat of registry.h with this node's values, alone; and the goodbye. */

#include "bus/registry.h"

#include <inttypes.h>
#include <stdio.h>

static const char beat_sql[] = "SELECT " REGISTRY_BEAT;

/* Another process that has taken over the name since is left alone. */
static const char leave_sql[] = "DELETE FROM cluster_node WHERE node_id = $1::uuid AND boot_id = $2::uuid";

static void write_hex(const uint8_t bytes[16], char text[33])
{
    for (int i = 0; i < 16; i++)
        (void)snprintf(text + (size_t)i * 2, 3, "%02x", bytes[i]);
}

static bool run_alone(struct pg_session *session, const struct pg_statement *statement, int64_t deadline_ms,
                      struct bus_err *err)
{
    PGresult *result;

    if (!pg_session_run(session, statement, 1, &result, deadline_ms, err))
        return false;
    PQclear(result);
    return true;
}

void registry_init(struct registry_self *self, const uint8_t node_id[16], const uint8_t boot_id[16],
                   int64_t lease_ms)
{
    write_hex(node_id, self->node_id);
    write_hex(boot_id, self->boot_id);
    (void)snprintf(self->lease_ms, sizeof(self->lease_ms), "%" PRId64, lease_ms);
}

void registry_fill_row(const struct registry_self *self, enum registry_state state, uint64_t position,
                       int64_t tag, struct registry_row *row)
{
    bool joining = state == REGISTRY_JOINING;

    (void)snprintf(row->info, sizeof(row->info), "{}");
    (void)snprintf(row->position, sizeof(row->position), "%" PRIu64, position);
    (void)snprintf(row->tag, sizeof(row->tag), "%" PRId64, tag);
    (void)snprintf(row->state, sizeof(row->state), "%d", (int)state);
    row->params[0] = joining ? NULL : row->position;
    row->params[1] = self->node_id;
    row->params[2] = self->boot_id;
    row->params[3] = self->name;
    row->params[4] = self->version;
    row->params[5] = row->state;
    row->params[6] = self->lease_ms;
    row->params[7] = joining ? NULL : row->tag;
    row->params[8] = row->info;
}

bool registry_join(const struct registry_self *self, struct pg_session *session, int64_t deadline_ms,
                   struct bus_err *err)
{
    struct registry_row row = {0};

    registry_fill_row(self, REGISTRY_JOINING, 0, 0, &row);
    return run_alone(
        session,
        &(struct pg_statement){.sql = beat_sql, .param_count = REGISTRY_PARAMS, .params = row.params},
        deadline_ms, err);
}

bool registry_leave(const struct registry_self *self, struct pg_session *session, int64_t deadline_ms,
                    struct bus_err *err)
{
    const char *const params[2] = {self->node_id, self->boot_id};

    return run_alone(session, &(struct pg_statement){.sql = leave_sql, .param_count = 2, .params = params},
                     deadline_ms, err);
}
