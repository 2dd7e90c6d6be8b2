/*
 * The statements of a poll and the parsing of their answers (consistency reference, 4.1).
 *
 * Their plans are those of the functions of log_polls.sql. A heartbeat rides along: the head is read in the
 * snapshot from before it, which is what a poll wants anyway.
 */

#include "bus/poller.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/machine.h"

/* Counting reads the row of every node, so all nodes together read as many as there are, squared. */
enum {
    COUNT_PAUSE_PER_NODE_US = 20000
};

#define HEAD_FIELDS                                                                                          \
    "p.in_recovery, p.history, p.key_salt, p.format, p.floor_pos, p.pos, p.tag, p.tag_at_applied"
#define PEEK "cluster_peek($1::bigint) p"
#define COUNT_OF_NODES                                                                                       \
    "(SELECT count(*) AS nodes, min(applied_pos) AS slowest FROM cluster_node "                              \
    "WHERE seen_at > clock_timestamp() - lease_ms * interval '1 millisecond') a"

enum head_column {
    IN_RECOVERY,
    HISTORY,
    KEY_SALT,
    FORMAT,
    FLOOR,
    HEAD,
    HEAD_TAG,
    TAG_AT_APPLIED,
    NODE_COUNT,
    SLOWEST,
    HEAD_COLUMNS
};

#define EVENTS_SQL                                                                                           \
    "SELECT pos, n, tag, kind, flags, entity, id, keys, "                                                    \
    "(extract(epoch FROM clock_timestamp() - at) * 1000000)::bigint FROM cluster_log WHERE pos > "           \
    "$1::bigint "                                                                                            \
    "ORDER BY pos, n LIMIT 20001"

_Static_assert(READER_MAX_EVENTS + 1 == 20001, "EVENTS_SQL asks for one row more than the reader takes");

enum view_statement {
    VIEW_BEGIN,
    VIEW_LIMIT,
    VIEW_HEAD,
    VIEW_EVENTS,
    VIEW_UNLIMIT,
    VIEW_STATEMENTS
};

enum event_column {
    POS,
    N,
    TAG,
    KIND,
    FLAGS,
    ENTITY,
    ID,
    KEYS,
    AGE_US
};

/* By [with a heartbeat][counting]. */
static const char *const head_sql[2][2] = {
    {"SELECT " HEAD_FIELDS ", NULL, NULL FROM " PEEK,
     "SELECT " HEAD_FIELDS ", a.nodes, a.slowest FROM " PEEK ", " COUNT_OF_NODES},
    {"SELECT " HEAD_FIELDS ", NULL, NULL FROM " REGISTRY_BEAT " b, " PEEK,
     "SELECT " HEAD_FIELDS ", a.nodes, a.slowest FROM " REGISTRY_BEAT " b, " PEEK ", " COUNT_OF_NODES},
};
static const char beat_sql[] = "SELECT " REGISTRY_BEAT;
/* Nothing, in the shape of events. */
static const char no_events_sql[] =
    "SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE $1::bigint IS NULL";
static const char begin_sql[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

static uint64_t get_unsigned(const PGresult *result, int row, int column)
{
    return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

static int64_t get_signed(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Hex digits of a uuid ("-" ignored) or a bytea ("\x" ignored). Returns how many bytes were there, at most
 * `size`. */
static size_t read_hex(const char *text, uint8_t *bytes, size_t size)
{
    size_t digits = 0;

    for (const char *c = text; *c != '\0' && digits < size * 2; c++) {
        int value = hex_value(*c);

        if (value < 0)
            continue;
        bytes[digits / 2] = (uint8_t)(digits % 2 == 0 ? value << 4 : bytes[digits / 2] | value);
        digits++;
    }
    return digits / 2;
}

static void parse_nodes(struct poller *poller, const PGresult *result)
{
    if (PQgetisnull(result, 0, NODE_COUNT) != 0)
        return;
    poller->extra.node_count = get_unsigned(result, 0, NODE_COUNT);
    poller->extra.slowest_position = get_unsigned(result, 0, SLOWEST);
    poller->count_us = machine_now_us() + (int64_t)poller->extra.node_count * COUNT_PAUSE_PER_NODE_US;
}

static bool parse_head(struct poller *poller, const PGresult *result, struct reader_head *head,
                       struct bus_err *err)
{
    uint8_t *salt = poller->extra.key_salt;

    if (PQntuples(result) != 1 || PQnfields(result) != HEAD_COLUMNS || PQgetisnull(result, 0, HISTORY) != 0)
        return bus_err_set(err, BUS_ERR_INVALID, "cluster_head has no row: this is not a migrated database");
    if (get_signed(result, 0, FORMAT) != POLLER_LOG_FORMAT)
        return bus_err_set(err, BUS_ERR_INVALID, "the event log has format %s, this version reads %d",
                           PQgetvalue(result, 0, FORMAT), POLLER_LOG_FORMAT);
    *head = (struct reader_head){
        .in_recovery = PQgetvalue(result, 0, IN_RECOVERY)[0] == 't',
        .floor = get_unsigned(result, 0, FLOOR),
        .has_log = PQgetisnull(result, 0, HEAD) == 0,
        .head = get_unsigned(result, 0, HEAD),
        .head_tag = get_signed(result, 0, HEAD_TAG),
        .has_tag_at_applied = PQgetisnull(result, 0, TAG_AT_APPLIED) == 0,
        .tag_at_applied = get_signed(result, 0, TAG_AT_APPLIED),
    };
    parse_nodes(poller, result);
    if (read_hex(PQgetvalue(result, 0, HISTORY), head->history, sizeof(head->history)) != 16 ||
        read_hex(PQgetvalue(result, 0, KEY_SALT), salt, sizeof(poller->extra.key_salt)) != 16)
        return bus_err_set(err, BUS_ERR_INVALID, "history or key_salt of cluster_head cannot be read");
    return true;
}

/* A kind that a later version knows and we do not is taken for the strongest one. */
static enum bus_event_kind known_kind(int64_t kind)
{
    return kind >= BUS_EVENT_ROW && kind <= BUS_EVENT_BARRIER ? (enum bus_event_kind)kind
                                                              : BUS_EVENT_EVERYTHING;
}

/* Moves *keys on behind the keys of this event. */
static void parse_event(const PGresult *result, int row, struct bus_event *event, uint8_t (**keys)[16])
{
    const char *hex = PQgetvalue(result, row, KEYS);

    *event = (struct bus_event){
        .position = get_unsigned(result, row, POS),
        .n = (uint32_t)get_unsigned(result, row, N),
        .tag = get_signed(result, row, TAG),
        .kind = known_kind(get_signed(result, row, KIND)),
        .flags = (unsigned)get_unsigned(result, row, FLAGS),
        .has_id = PQgetisnull(result, row, ID) == 0,
        .keys = (const uint8_t(*)[16]) * keys,
        .key_count = strlen(hex) / 32, /* "\x" and 32 digits each */
        .age_us = get_signed(result, row, AGE_US),
    };
    (void)snprintf(event->entity, sizeof(event->entity), "%s", PQgetvalue(result, row, ENTITY));
    if (event->has_id)
        (void)read_hex(PQgetvalue(result, row, ID), event->id, sizeof(event->id));
    (void)read_hex(hex, (uint8_t *)*keys, event->key_count * sizeof(**keys));
    *keys += event->key_count;
}

static void parse_events(struct poller *poller, const PGresult *result)
{
    int rows = PQntuples(result);
    size_t digits = 0;
    uint8_t(*keys)[16];

    for (int row = 0; row < rows; row++)
        digits += (size_t)PQgetlength(result, row, KEYS);
    if ((size_t)rows > poller->event_room) {
        poller->event_room = (size_t)rows;
        poller->events = machine_grow(poller->events, poller->event_room * sizeof(poller->events[0]));
    }
    poller->keys = machine_grow(poller->keys, digits / 2 + 1);
    keys = poller->keys;
    for (int row = 0; row < rows; row++)
        parse_event(result, row, &poller->events[row], &keys);
    poller->event_count = (size_t)rows;
    poller->newest_age_ms = rows > 0 ? poller->events[rows - 1].age_us / 1000 : 0;
}

static void end_transaction(struct poller *poller)
{
    struct bus_err ignored; /* a connection that cannot end a transaction has been dropped, or is now */

    if (pg_session_is_in_transaction(poller->session) &&
        !pg_session_command(poller->session, "ROLLBACK", poller->deadline_ms, &ignored))
        pg_session_drop(poller->session);
}

void poller_init(struct poller *poller, struct pg_session *session, int64_t deadline_ms)
{
    *poller = (struct poller){.session = session, .deadline_ms = deadline_ms};
}

void poller_fini(struct poller *poller)
{
    free(poller->events);
    free(poller->keys);
}

bool poller_peek(struct poller *poller, uint64_t applied, const struct registry_row *beat,
                 struct reader_head *head, struct bus_err *err)
{
    char position[24];
    const char *const alone[1] = {position};
    bool counting = poller->count_us <= machine_now_us();
    struct pg_statement statement = {.sql = head_sql[0][counting], .param_count = 1, .params = alone};
    PGresult *result;
    bool good;

    (void)snprintf(position, sizeof(position), "%" PRIu64, applied);
    if (beat != NULL)
        statement = (struct pg_statement){
            .sql = head_sql[1][counting], .param_count = REGISTRY_PARAMS, .params = beat->params};
    if (!pg_session_run(poller->session, &statement, 1, &result, poller->deadline_ms, err))
        return false;
    good = parse_head(poller, result, head, err);
    PQclear(result);
    return good;
}

bool poller_open_view(struct poller *poller, enum poller_scope scope, uint64_t applied,
                      struct reader_head *head, struct bus_err *err)
{
    bool counting = poller->extra.node_count == 0; /* else all nodes would, when all have heard the bell */
    char position[24], limit[64];
    const char *const params[1] = {position};
    const struct pg_statement statements[VIEW_STATEMENTS] = {
        {.sql = begin_sql},
        {.sql = limit},
        {.sql = head_sql[0][counting], .param_count = 1, .params = params},
        {.sql = scope == POLLER_HEAD_AND_EVENTS ? EVENTS_SQL : no_events_sql,
         .param_count = 1,
         .params = params},
        {.sql = "SET LOCAL statement_timeout TO DEFAULT"}, /* the subscriber's rows may take longer */
    };
    PGresult *results[VIEW_STATEMENTS];
    bool good;

    (void)snprintf(position, sizeof(position), "%" PRIu64, applied);
    (void)snprintf(limit, sizeof(limit), "SET LOCAL statement_timeout = %" PRId64, poller->deadline_ms);
    poller->event_count = 0;
    poller->newest_age_ms = 0;
    if (!pg_session_run(poller->session, statements, VIEW_STATEMENTS, results, poller->deadline_ms, err)) {
        end_transaction(poller);
        return false;
    }
    good = parse_head(poller, results[VIEW_HEAD], head, err);
    if (good)
        parse_events(poller, results[VIEW_EVENTS]);
    for (size_t i = 0; i < VIEW_STATEMENTS; i++)
        PQclear(results[i]);
    if (!good)
        end_transaction(poller);
    return good;
}

bool poller_close_view(struct poller *poller, const struct registry_row *beat, struct bus_err *err)
{
    const struct pg_statement statements[2] = {
        {.sql = "COMMIT"},
        {.sql = beat_sql, .param_count = REGISTRY_PARAMS, .params = beat != NULL ? beat->params : NULL},
    };
    size_t count = beat != NULL ? 2 : 1;
    PGresult *results[2];

    if (!pg_session_is_in_transaction(poller->session))
        return bus_err_set(err, BUS_ERR_CONNECT, "the connection broke while the view was open");
    if (!pg_session_run(poller->session, statements, count, results, poller->deadline_ms, err)) {
        end_transaction(poller);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        PQclear(results[i]);
    return true;
}
