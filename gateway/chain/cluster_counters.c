/*
 * cluster_counters - see cluster_counters.h.
 *
 *     give() --> waiting --batch--> job: [add what is owed | read the windows] --> decide --> answers to
 * loops ^                                                                \--> owed
 *                   +--- what comes meanwhile; the next job follows as long as somebody waits or is owed
 *
 * One job at a time: between its reading and the writing of what it let through nobody of this node decides.
 */

#include "gateway/chain/cluster_counters.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/chain/tally_op.h"

enum {
    BATCH_WINDOWS = 1024,
    WAITING_MAX = 16 * 1024, /* requests */
    OWED_MAX = 4096,         /* windows */
    LOOKED_AT = 16,          /* of those, for the same one */
    FIRST_REST_MS = 100,
    LONGEST_REST_MS = 5000,
    SWEEP_MS = 60 * 1000,
    SWEEP_ROWS = 1000 /* in one statement; if there were as many, the next batch goes on */
};

struct cluster_counters {
    struct usage_store store;
    const struct clock *clock;
    pthread_mutex_t lock;
    /* thread: any, under lock */
    struct list waiting; /* of struct tally_op */
    size_t waiting_count;
    bool runs;           /* a job is queued or at work */
    int64_t again_at_ms; /* monotonic: until then nobody is asked */
    /* thread: the job's, while there is one; any, under lock, while there is none */
    struct usage *owed; /* let through, not written; texts are its own */
    size_t owed_count;
    int64_t rest_ms, sweep_at_ms;
    bool lost; /* has been logged */
    struct random_sequence chance;
};

struct cluster_counters *cluster_counters_new(const struct usage_store *store, const struct clock *clock)
{
    struct cluster_counters *counters = mem_zalloc(sizeof(*counters));

    counters->store = *store;
    counters->clock = clock;
    counters->rest_ms = FIRST_REST_MS;
    counters->owed = mem_zalloc(OWED_MAX * sizeof(*counters->owed));
    random_seed(&counters->chance, random_u64());
    list_init(&counters->waiting);
    (void)pthread_mutex_init(&counters->lock, NULL);
    return counters;
}

/* ---- windows ---- */

static int compare_str(struct str a, struct str b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

    if (order == 0 && a.len != b.len)
        order = a.len < b.len ? -1 : 1;
    return order;
}

static int compare_windows(const struct usage *a, const struct usage *b)
{
    int order = compare_str(a->identity, b->identity);

    if (order == 0)
        order = compare_str(a->period, b->period);
    if (order == 0 && a->starts_s != b->starts_s)
        order = a->starts_s < b->starts_s ? -1 : 1;
    if (order == 0)
        order = memcmp(&a->route, &b->route, sizeof(a->route));
    return order != 0 ? order : memcmp(&a->service, &b->service, sizeof(a->service));
}

/* ---- what is owed ---- */

static void forget_owed(struct cluster_counters *counters)
{
    for (size_t i = 0; i < counters->owed_count; i++)
        free((char *)(uintptr_t)counters->owed[i].identity.at); /* NOLINT(performance-no-int-to-ptr) */
    counters->owed_count = 0;
}

/* What there is no room for is not told. The same window may be there more than once. */
static void owe(struct cluster_counters *counters, const struct usage *usage, uint64_t count)
{
    size_t length = usage->identity.len + usage->period.len;

    for (size_t i = counters->owed_count; i > 0 && i + LOOKED_AT > counters->owed_count; i--) {
        if (compare_windows(&counters->owed[i - 1], usage) != 0)
            continue;
        counters->owed[i - 1].count += count;
        return;
    }
    if (count == 0 || counters->owed_count == OWED_MAX)
        return;
    char *texts = mem_alloc(length + 1);
    memcpy(texts, usage->identity.at, usage->identity.len);
    memcpy(texts + usage->identity.len, usage->period.at, usage->period.len);
    struct usage *owed = &counters->owed[counters->owed_count++];
    *owed = *usage;
    owed->count = count;
    owed->identity.at = texts;
    owed->period.at = texts + usage->identity.len;
}

/* Of who passes although nobody has counted. */
static void owe_all(struct cluster_counters *counters, const struct tally_op *op)
{
    for (size_t i = 0; (op->lets_through || op->kind == TALLY_ADD) && i < op->count; i++)
        owe(counters, &op->counts[i].usage, op->counts[i].usage.count);
}

void cluster_counters_free(struct cluster_counters *counters)
{
    if (counters == NULL)
        return;
    assert(list_is_empty(&counters->waiting));
    forget_owed(counters);
    (void)pthread_mutex_destroy(&counters->lock);
    free(counters->owed);
    free(counters);
}

/* ---- a batch ---- */

struct batch {
    struct list ops;
    struct tally_count **counts; /* of all ops, in their order */
    size_t count_count;
    struct usage *windows; /* each once */
    uint64_t *granted;     /* to each */
    size_t window_count;
};

static int compare_counts(const void *a, const void *b)
{
    const struct tally_count *const *one = a, *const *other = b;

    return compare_windows(&(*one)->usage, &(*other)->usage);
}

/* Which windows are the same. */
static void find_windows(struct batch *batch)
{
    size_t count = batch->count_count;
    struct tally_count **sorted =
        mem_dup(batch->counts, (count > 0 ? count : 1) * sizeof(struct tally_count *));

    qsort(sorted, count, sizeof(struct tally_count *), compare_counts);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_windows(&sorted[i - 1]->usage, &sorted[i]->usage) != 0)
            batch->windows[batch->window_count++] = sorted[i]->usage;
        sorted[i]->same = batch->window_count - 1;
    }
    free(sorted);
}

static void take_batch(struct cluster_counters *counters, struct batch *batch)
{
    *batch = (struct batch){.counts = mem_alloc(BATCH_WINDOWS * sizeof(struct tally_count *)),
                            .windows = mem_zalloc(BATCH_WINDOWS * sizeof(*batch->windows)),
                            .granted = mem_zalloc(BATCH_WINDOWS * sizeof(*batch->granted))};
    list_init(&batch->ops);
    pthread_mutex_lock(&counters->lock);
    while (!list_is_empty(&counters->waiting)) {
        struct tally_op *op = CONTAINER_OF(counters->waiting.next, struct tally_op, link);
        if (batch->count_count + op->count > BATCH_WINDOWS)
            break;
        list_remove(&op->link);
        list_add_last(&batch->ops, &op->link);
        counters->waiting_count--;
        for (size_t i = 0; i < op->count; i++)
            batch->counts[batch->count_count++] = &op->counts[i];
    }
    pthread_mutex_unlock(&counters->lock);
    find_windows(batch);
}

/* Under the lock: all of them. */
static void take_waiting(struct cluster_counters *counters, struct list *ops)
{
    struct list *link;

    while ((link = list_take_first(&counters->waiting)) != NULL)
        list_add_last(ops, link);
    counters->waiting_count = 0;
}

static void free_batch(struct batch *batch)
{
    free(batch->counts);
    free(batch->windows);
    free(batch->granted);
}

/* As though they came one after the other: all windows or none. */
static void decide(struct batch *batch, struct tally_op *op)
{
    bool is_over = false;

    for (size_t i = 0; i < op->count; i++) {
        struct tally_count *count = &op->counts[i];
        count->used = batch->windows[count->same].count + batch->granted[count->same];
        count->over = op->kind == TALLY_TAKE && count->used >= count->limit;
        is_over |= count->over;
    }
    for (size_t i = 0; !is_over && i < op->count; i++)
        batch->granted[op->counts[i].same] += op->counts[i].usage.count;
}

/* On the loop of the request. */
static void on_answer(struct loop_message *message)
{
    tally_op_finish(CONTAINER_OF(message, struct tally_op, message));
}

static void finish(struct list *ops, bool failed)
{
    struct list *link;

    while ((link = list_take_first(ops)) != NULL) {
        struct tally_op *op = CONTAINER_OF(link, struct tally_op, link);
        op->failed = failed;
        op->message.run = on_answer;
        loop_post(op->loop, &op->message); /* it may be freed from here on */
    }
}

static void settle(struct cluster_counters *counters, struct batch *batch)
{
    if (counters->lost)
        log_notice("limits: the database counts again");
    counters->lost = false;
    counters->rest_ms = FIRST_REST_MS;
    forget_owed(counters);
    list_each (link, &batch->ops)
        decide(batch, CONTAINER_OF(link, struct tally_op, link));
    for (size_t i = 0; i < batch->window_count; i++)
        owe(counters, &batch->windows[i], batch->granted[i]);
}

/* From now on nobody waits for a while, nor does who came meanwhile. */
static void rest(struct cluster_counters *counters, struct list *ops)
{
    int64_t rest_ms = 1 + (int64_t)(random_fraction(&counters->chance) * (double)counters->rest_ms);

    counters->rest_ms = counters->rest_ms * 2 < LONGEST_REST_MS ? counters->rest_ms * 2 : LONGEST_REST_MS;
    pthread_mutex_lock(&counters->lock);
    counters->again_at_ms = clock_now_ms(counters->clock) + rest_ms;
    take_waiting(counters, ops);
    pthread_mutex_unlock(&counters->lock);
}

/* Who passes all the same is counted. */
static void give_up(struct cluster_counters *counters, struct batch *batch, enum usage_outcome outcome,
                    const struct err *err)
{
    if (!counters->lost)
        log_error("limits: the database does not count; reason=\"%s\"", err->text);
    counters->lost = true;
    if (outcome == USAGE_UNKNOWN)
        forget_owed(counters);
    rest(counters, &batch->ops);
    list_each (link, &batch->ops)
        owe_all(counters, CONTAINER_OF(link, struct tally_op, link));
}

static void sweep_if_due(struct cluster_counters *counters, struct store_session *session)
{
    int64_t now_ms = clock_now_ms(counters->clock);

    if (now_ms < counters->sweep_at_ms)
        return;
    if (counters->store.sweep(session, SWEEP_ROWS) < SWEEP_ROWS)
        counters->sweep_at_ms = now_ms + SWEEP_MS;
}

static void run(struct store_session *session, void *arg);

/* Not under the lock: the store has one of its own. */
static void submit(struct cluster_counters *counters)
{
    struct list refused;

    if (counters->store.submit(counters->store.store, run, counters))
        return;
    list_init(&refused);
    pthread_mutex_lock(&counters->lock);
    counters->runs = false;
    take_waiting(counters, &refused);
    pthread_mutex_unlock(&counters->lock);
    finish(&refused, /* failed= */ true);
}

/* Another job if there is anything left to do. */
static void go_on(struct cluster_counters *counters, bool failed)
{
    pthread_mutex_lock(&counters->lock);
    counters->runs = !list_is_empty(&counters->waiting) || (counters->owed_count > 0 && !failed);
    bool is_wanted = counters->runs;
    pthread_mutex_unlock(&counters->lock);
    if (is_wanted)
        submit(counters);
}

/* A job of the store. */
static void run(struct store_session *session, void *arg)
{
    struct cluster_counters *counters = arg;
    struct batch batch;
    struct err err = {0};

    take_batch(counters, &batch);
    enum usage_outcome outcome = counters->store.exchange(session, counters->owed, counters->owed_count,
                                                          batch.windows, batch.window_count, &err);
    if (outcome == USAGE_DONE)
        settle(counters, &batch);
    else
        give_up(counters, &batch, outcome, &err);
    finish(&batch.ops, outcome != USAGE_DONE);
    free_batch(&batch);
    if (outcome == USAGE_DONE)
        sweep_if_due(counters, session);
    go_on(counters, outcome != USAGE_DONE);
}

bool cluster_counters_give(struct cluster_counters *counters, struct tally_op *op)
{
    int64_t now_ms = clock_now_ms(counters->clock);

    pthread_mutex_lock(&counters->lock);
    bool taken = now_ms >= counters->again_at_ms && counters->waiting_count < WAITING_MAX &&
                 op->count <= BATCH_WINDOWS;
    bool is_first = taken && !counters->runs;
    if (taken) {
        counters->runs = true;
        list_add_last(&counters->waiting, &op->link);
        counters->waiting_count++;
    } else if (!counters->runs) {
        owe_all(counters, op);
    }
    pthread_mutex_unlock(&counters->lock);
    if (is_first)
        submit(counters);
    return taken;
}
