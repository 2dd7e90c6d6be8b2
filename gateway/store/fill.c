/*
 * fill - threads that answer look-ups of the keyed cache.
 *
 * While the threads are busy, look-ups queue up; a free thread takes the first and with it all others of its
 * kind (schema, column, source), and asks for them in one statement. So load makes batches larger and not the
 * database busier, and an idle gateway waits for nobody.
 *
 * Position and rows come from one statement, hence from one snapshot: the answer holds every commit up to the
 * position and none after (consistency reference, 3.4). No log row at all is an error, never "no such row".
 */

#include "gateway/store/fill.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/model/document.h"
#include "gateway/store/errors.h"
#include "gateway/store/query.h"
#include "gateway/store/session.h"

enum {
    MAX_BATCH = 256,
    REPLICA_DEADLINE_MS = 1000,
    REPLICA_PAUSE_MS = 5000,
    VIEW_DEADLINE_MS = 2000, /* a poll's own */
};

/* A server that is asked; thread: the filler it belongs to. */
struct source {
    const char *name;
    struct pg_session *session; /* NULL: there is none */
    int64_t deadline_ms;
    bool has_log;
    bool failing; /* has been logged */
};

struct filler { /* thread: its own */
    struct fills *fills;
    pthread_t thread;
    struct source primary, replica;
    int64_t replica_again_at_ms; /* monotonic; until then it is left alone */
};

struct fills {
    struct store_options options;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct store_fill *first, **last; /* thread: any, under lock */
    bool closing;                     /* likewise */
    int filler_count;
    struct filler fillers[];
};

static bool is_same_kind(const struct store_fill *a, const struct store_fill *b)
{
    return a->schema == b->schema && a->lookup == b->lookup && a->from_replica == b->from_replica;
}

/* Under lock. The first that waits and up to MAX_BATCH - 1 others of its kind, as a list of their own. */
static struct store_fill *take_batch(struct fills *fills)
{
    struct store_fill *batch = NULL, **batch_last = &batch;
    struct store_fill **link = &fills->first;
    int count = 0;

    while (*link != NULL && count < MAX_BATCH) {
        struct store_fill *fill = *link;
        if (batch != NULL && !is_same_kind(batch, fill)) {
            link = &fill->next;
            continue;
        }
        *link = fill->next;
        if (fills->last == &fill->next)
            fills->last = link;
        fill->next = NULL;
        *batch_last = fill;
        batch_last = &fill->next;
        count++;
    }
    return batch;
}

static void finish(struct store_fill *batch, bool failed)
{
    while (batch != NULL) {
        struct store_fill *fill = batch;
        batch = fill->next; /* on_done may free the fill */
        fill->next = NULL;
        fill->failed = fill->failed || failed;
        fill->on_done(fill);
    }
}

static const struct field *lookup_field(const struct store_fill *fill)
{
    return schema_field(fill->schema, fill->schema->lookups[fill->lookup].field);
}

/* $1: the values as an array. Row: position, tag, value, document. */
static void make_statement(struct buf *sql, const struct store_fill *kind, bool has_log)
{
    const struct field *field = lookup_field(kind);

    buf_printf(sql, "SELECT h.pos, h.tag, d.\"%s\"%s, row_to_json(d)", field->name,
               field->kind == FIELD_FOREIGN ? " ->> 'id'" : "::text");
    buf_add_text(sql, has_log ? " FROM (SELECT pos, tag FROM cluster_log ORDER BY pos DESC, n DESC LIMIT 1) h"
                              : " FROM (SELECT 0 AS pos, 0 AS tag) h");
    buf_add_text(sql, " LEFT JOIN ");
    query_open_rows(sql, kind->schema, QUERY_LIVE);
    buf_add_text(sql, " AND t.");
    query_add_column(sql, field);
    buf_printf(sql, " = ANY ($1::%s[])) d ON true", query_column_type(field));
}

/* Values that no row can have are left out: one of them would fail the statement for all others. */
static void make_values(struct buf *values, const struct store_fill *batch)
{
    const struct field *field = lookup_field(batch);

    buf_add_byte(values, '{');
    for (const struct store_fill *fill = batch; fill != NULL; fill = fill->next)
        if (query_can_equal(field, fill->value))
            query_add_element(values, fill->value);
    buf_add_byte(values, '}');
}

static bool query(const struct source *source, const struct store_fill *batch, PGresult **result,
                  struct bus_err *err)
{
    bool was_connected = pg_session_is_connected(source->session);
    struct buf sql = {0}, values = {0};

    make_statement(&sql, batch, source->has_log);
    make_values(&values, batch);
    const char *params[] = {values.at};
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = params};
    metrics_add(METRIC_FILL_STATEMENTS, 1);
    bool ok = pg_session_run(source->session, &statement, 1, result, source->deadline_ms, err);
    if (!ok && was_connected && is_disconnect(err)) {
        pg_session_drop(source->session);
        metrics_add(METRIC_FILL_STATEMENTS, 1);
        ok = pg_session_run(source->session, &statement, 1, result, source->deadline_ms, err);
    }
    buf_fini(&sql);
    buf_fini(&values);
    if (!ok || PQntuples(*result) > 0)
        return ok;
    PQclear(*result);
    *result = NULL;
    return bus_err_set(err, BUS_ERR_INVALID, "the event log is empty");
}

static bool ask(struct source *source, const struct store_fill *batch, PGresult **result)
{
    struct bus_err err;
    bool ok = query(source, batch, result, &err);

    if (ok && source->failing)
        log_notice("store: fills are answered again; source=%s", source->name);
    else if (!ok && !source->failing)
        log_warn("store: fills fail; source=%s entity=%s reason=%s", source->name, batch->schema->name,
                 err.text);
    source->failing = !ok;
    return ok;
}

/*
 * A replica that does not answer is as good as none: it is given less time than those who wait have, and then
 * left alone for a while, so that one that hangs costs its second only now and then.
 */
static bool ask_somebody(struct filler *filler, const struct store_fill *batch, PGresult **result)
{
    bool wanted = batch->from_replica && filler->replica.session != NULL;

    if (wanted && clock_now_ms(clock_system()) >= filler->replica_again_at_ms) {
        if (ask(&filler->replica, batch, result))
            return true;
        filler->replica_again_at_ms = clock_now_ms(clock_system()) + REPLICA_PAUSE_MS;
        metrics_add(METRIC_REPLICA_FAILED, 1);
    } else if (wanted) {
        metrics_add(METRIC_REPLICA_PAUSED, 1);
    }
    return ask(&filler->primary, batch, result);
}

/* `found`: a row, or of a list all of them. */
static void decode(struct store_fill *fill, const cJSON *found)
{
    struct err err = {0};

    if (found == NULL || fill->schema->decode == NULL) {
        fill->failed = true;
    } else if (!fill->schema->decode(found, &fill->object, &fill->bytes, &err)) {
        fill->failed = true;
        log_error("store: row cannot be used; entity=%s id=%s reason=%s", fill->schema->name,
                  document_text(cJSON_IsArray(found) ? found->child : found, "id"), err.text);
    }
}

/* The first row from `row` on that has the value that is looked for, or -1. */
static int next_match(const struct store_fill *fill, const PGresult *result, int row)
{
    bool nocase = strcmp(query_column_type(lookup_field(fill)), "uuid") == 0;

    for (; row < PQntuples(result); row++) {
        struct str found = {PQgetvalue(result, row, 2), (size_t)PQgetlength(result, row, 2)};
        if (!PQgetisnull(result, row, 3) &&
            (nocase ? str_equal_nocase(found, fill->value) : str_equal(found, fill->value)))
            return row;
    }
    return -1;
}

static void answer_one(struct store_fill *fill, const PGresult *result)
{
    bool is_list = fill->schema->lookups[fill->lookup].is_list;
    int row = next_match(fill, result, 0);

    if (row < 0)
        return;
    cJSON *found = is_list ? cJSON_CreateArray() : row_document(result, row, 3);
    for (; is_list && row >= 0; row = next_match(fill, result, row + 1)) {
        cJSON *document = row_document(result, row, 3);
        fill->failed = fill->failed || document == NULL; /* a list with a hole is no answer */
        if (document != NULL)
            (void)cJSON_AddItemToArray(found, document);
    }
    if (!fill->failed)
        decode(fill, found);
    cJSON_Delete(found);
}

static void answer(struct store_fill *batch, const PGresult *result)
{
    for (struct store_fill *fill = batch; fill != NULL; fill = fill->next) {
        fill->position = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
        fill->tag = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
        answer_one(fill, result);
    }
}

bool store_view_fills(struct pg_session *view, struct store_fill *fills, struct err *err)
{
    struct buf sql = {0}, values = {0};
    struct bus_err bus_err;
    PGresult *result = NULL;

    make_statement(&sql, fills, /* has_log= */ true);
    make_values(&values, fills);
    const char *params[] = {values.at};
    const struct pg_statement statement = {.sql = sql.at, .param_count = 1, .params = params};
    bool ok = pg_session_run(view, &statement, 1, &result, VIEW_DEADLINE_MS, &bus_err);
    if (ok && PQntuples(result) > 0)
        answer(fills, result);
    else if (ok)
        ok = bus_err_set(&bus_err, BUS_ERR_INVALID, "the event log is empty");
    buf_fini(&sql);
    buf_fini(&values);
    PQclear(result);
    return ok || err_from_bus(err, &bus_err);
}

static void run_batch(struct filler *filler, struct store_fill *batch)
{
    PGresult *result = NULL;
    bool ok = ask_somebody(filler, batch, &result);

    if (ok)
        answer(batch, result);
    PQclear(result);
    finish(batch, !ok);
}

static void filler_init(struct filler *filler, struct fills *fills)
{
    const struct store_options *options = &fills->options;
    int64_t deadline_ms = options->statement_timeout_ms;

    filler->fills = fills;
    filler->primary = (struct source){.name = "primary", .deadline_ms = deadline_ms, .has_log = true};
    filler->primary.session = pg_session_new(&options->primary);
    filler->replica = (struct source){.name = "replica", .has_log = !options->replica_without_log};
    filler->replica.deadline_ms = deadline_ms < REPLICA_DEADLINE_MS ? deadline_ms : REPLICA_DEADLINE_MS;
    if (options->replica.host != NULL)
        filler->replica.session = pg_session_new(&options->replica);
}

static void filler_fini(struct filler *filler)
{
    pg_session_free(filler->primary.session);
    pg_session_free(filler->replica.session);
}

static void *filler_main(void *arg)
{
    struct filler *filler = arg;
    struct fills *fills = filler->fills;
    sigset_t signals;

    (void)pthread_setname_np(pthread_self(), "fill");
    (void)sigfillset(&signals); /* main handles them */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_mutex_lock(&fills->lock);
    while (!fills->closing) {
        struct store_fill *batch = take_batch(fills);
        if (batch == NULL) {
            pthread_cond_wait(&fills->arrived, &fills->lock);
            continue;
        }
        pthread_mutex_unlock(&fills->lock);
        run_batch(filler, batch);
        pthread_mutex_lock(&fills->lock);
    }
    pthread_mutex_unlock(&fills->lock);
    return NULL;
}

bool fills_open(const struct store_options *options, struct fills **opened, struct err *err)
{
    size_t count = options->fill_threads > 0 ? (size_t)options->fill_threads : 2;
    struct fills *fills = mem_zalloc(sizeof(*fills) + count * sizeof(fills->fillers[0]));

    fills->options = *options;
    fills->last = &fills->first;
    (void)pthread_mutex_init(&fills->lock, NULL);
    (void)pthread_cond_init(&fills->arrived, NULL);
    for (size_t i = 0; i < count; i++) {
        struct filler *filler = &fills->fillers[i];
        filler_init(filler, fills);
        int failure = pthread_create(&filler->thread, NULL, filler_main, filler);
        if (failure != 0) {
            filler_fini(filler);
            fills_close(fills);
            return err_set(err, ERR_INTERNAL, "start a fill thread: %s", strerror(failure));
        }
        fills->filler_count++;
    }
    *opened = fills;
    return true;
}

void fills_close(struct fills *fills)
{
    if (fills == NULL)
        return;
    pthread_mutex_lock(&fills->lock);
    fills->closing = true;
    struct store_fill *waiting = fills->first;
    fills->first = NULL;
    fills->last = &fills->first;
    pthread_cond_broadcast(&fills->arrived);
    pthread_mutex_unlock(&fills->lock);
    finish(waiting, true);
    for (int i = 0; i < fills->filler_count; i++) {
        (void)pthread_join(fills->fillers[i].thread, NULL);
        filler_fini(&fills->fillers[i]);
    }
    (void)pthread_cond_destroy(&fills->arrived);
    (void)pthread_mutex_destroy(&fills->lock);
    free(fills);
}

void fills_give(struct fills *fills, struct store_fill *fill)
{
    fill->next = NULL;
    fill->failed = false;
    fill->object = NULL;
    fill->bytes = 0;
    pthread_mutex_lock(&fills->lock);
    bool closing = fills->closing;
    if (!closing) {
        *fills->last = fill;
        fills->last = &fill->next;
        pthread_cond_signal(&fills->arrived);
    }
    pthread_mutex_unlock(&fills->lock);
    if (closing)
        finish(fill, true);
}
