/*
 * delivery_queue - see delivery_queue.h. What waits is a list under the queue's mutex; batches are cut from
 * its front by the delivery thread and are that thread's alone.
 *
 *     TRIED --done--> gone
 *       |  \--failed--> RESTING --retry_at_us--> TRIED
 *       \--given up--> gone, counted
 */

#include "gateway/chain/delivery_queue.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/delivery_inside.h"
#include "gateway/model/document.h"

enum {
    STARTS_PER_TURN = 64, /* batches; then other queues have their turn */
    DOUBLINGS_MAX = 40,
    FAILURE_TELL_US = 10000000, /* a sink that comes and goes is told of no more often */
};

/* ---- rules ---- */

static int64_t microseconds(const cJSON *record, const char *name, double fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, name);
    double seconds = cJSON_IsNumber(value) ? value->valuedouble : fallback;

    return seconds < 1e9 ? (int64_t)(seconds * 1e6) : (int64_t)1e15;
}

void delivery_rules_read(const cJSON *record, struct delivery_rules *rules)
{
    int64_t bytes = document_int(record, "max_bytes", 0);

    *rules = (struct delivery_rules){
        .max_batch_size = (size_t)document_int(record, "max_batch_size", 1),
        .max_coalescing_us = microseconds(record, "max_coalescing_delay", 1),
        .max_entries = (size_t)document_int(record, "max_entries", 10000),
        .max_bytes = bytes > 0 ? (size_t)bytes : 0,
        .max_retry_us = microseconds(record, "max_retry_time", 60),
        .first_retry_us = microseconds(record, "initial_retry_delay", 0.01),
        .longest_retry_us = microseconds(record, "max_retry_delay", 60),
    };
}

/* The older fields count unless they say what used to be their default. */
void delivery_rules_of(const cJSON *config, struct delivery_rules *rules)
{
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(config, "queue_size");
    const cJSON *delay = cJSON_GetObjectItemCaseSensitive(config, "flush_timeout");

    delivery_rules_read(cJSON_GetObjectItemCaseSensitive(config, "queue"), rules);
    if (cJSON_IsNumber(size) && size->valuedouble != 1 && size->valuedouble >= 1)
        rules->max_batch_size = (size_t)size->valuedouble;
    if (cJSON_IsNumber(delay) && delay->valuedouble != 2 && delay->valuedouble >= 0)
        rules->max_coalescing_us = microseconds(config, "flush_timeout", 1);
}

/* ---- entries ---- */

static struct delivery_entry *entry_new(struct str bytes)
{
    struct delivery_entry *entry = mem_alloc(sizeof(*entry) + bytes.len);

    entry->next = NULL;
    entry->len = bytes.len;
    memcpy(entry->bytes, bytes.at, bytes.len);
    return entry;
}

/* Returns how many. */
static size_t free_entries(struct delivery_entry *entry)
{
    size_t count = 0;

    for (; entry != NULL; count++) {
        struct delivery_entry *next = entry->next;
        free(entry);
        entry = next;
    }
    return count;
}

static bool has_room(const struct delivery_queue *queue, size_t bytes)
{
    const struct delivery_rules *rules = &queue->options.rules;

    return queue->waiting + queue->held < rules->max_entries &&
           (rules->max_bytes == 0 || queue->waiting_bytes + queue->held_bytes + bytes <= rules->max_bytes) &&
           atomic_load_explicit(&queue->delivery->held_bytes, memory_order_relaxed) + bytes <=
               DELIVERY_BYTES_MAX;
}

static void count_held(struct delivery_queue *queue, size_t bytes, bool more)
{
    if (more)
        atomic_fetch_add_explicit(&queue->delivery->held_bytes, bytes, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&queue->delivery->held_bytes, bytes, memory_order_relaxed);
}

/* Under lock: cuts the oldest off. */
static struct delivery_entry *take_oldest(struct delivery_queue *queue)
{
    struct delivery_entry *entry = queue->oldest;

    queue->oldest = entry->next;
    if (queue->oldest == NULL)
        queue->end = &queue->oldest;
    queue->waiting--;
    queue->waiting_bytes -= entry->len;
    return entry;
}

/* Under lock: the oldest that wait give way. Returns those to be freed. */
static struct delivery_entry *make_room(struct delivery_queue *queue, size_t bytes)
{
    struct delivery_entry *gone = NULL;

    while (queue->waiting > 0 && !has_room(queue, bytes)) {
        struct delivery_entry *oldest = take_oldest(queue);
        count_held(queue, oldest->len, false);
        oldest->next = gone;
        gone = oldest;
        queue->lost.full++;
    }
    return gone;
}

/* Under lock. An entry that alone is too much for the rules is lost; one that the batches under way leave no
 * room for is not. */
static bool append(struct delivery_queue *queue, struct delivery_entry *entry)
{
    size_t max_bytes = queue->options.rules.max_bytes;
    size_t all = atomic_load_explicit(&queue->delivery->held_bytes, memory_order_relaxed);

    if ((max_bytes != 0 && entry->len > max_bytes) || all + entry->len > DELIVERY_BYTES_MAX) {
        queue->lost.full++;
        return false;
    }
    *queue->end = entry;
    queue->end = &entry->next;
    queue->waiting++;
    queue->waiting_bytes += entry->len;
    count_held(queue, entry->len, true);
    return true;
}

void delivery_queue_add(struct delivery_queue *queue, struct delivery *delivery, struct str bytes)
{
    if (delivery == NULL)
        return;
    struct delivery_entry *entry = entry_new(bytes);
    (void)pthread_mutex_lock(&queue->lock);
    if (queue->delivery == NULL)
        queue->delivery = delivery; /* once: the thread reads it without the lock */
    struct delivery_entry *gone = make_room(queue, entry->len);
    bool taken = append(queue, entry);
    bool attach = !queue->is_active;
    bool wake = queue->wake_at != 0 && queue->waiting >= queue->wake_at;
    queue->is_active = true;
    queue->wake_at = wake ? 0 : queue->wake_at;
    (void)pthread_mutex_unlock(&queue->lock);

    if (attach)
        delivery_attach(delivery, queue);
    else if (wake)
        delivery_wake(delivery);
    if (!taken)
        free(entry);
    size_t lost = free_entries(gone) + (taken ? 0 : 1);
    if (lost > 0)
        metrics_add(METRIC_DELIVERY_LOST, (int64_t)lost);
}

/* ---- batches ---- */

void delivery_batch_done(struct delivery_batch *super, enum delivery_end end, const char *why)
{
    struct batch *batch = CONTAINER_OF(super, struct batch, super);

    assert(batch->phase == BATCH_TRIED);
    batch->phase = BATCH_ENDED;
    batch->end = end;
    if (why != NULL)
        (void)snprintf(super->queue->why, sizeof(super->queue->why), "%s", why);
}

/* Under lock: may a batch be cut now? */
static bool is_ripe(const struct delivery_queue *queue, int64_t now_us)
{
    const struct delivery_rules *rules = &queue->options.rules;

    return queue->waiting > 0 && (queue->waiting >= rules->max_batch_size || queue->is_let_go ||
                                  queue->delivery->ending || rules->max_coalescing_us == 0 ||
                                  (queue->gather_until_us != 0 && now_us >= queue->gather_until_us));
}

/* Under lock. */
static struct batch *cut(struct delivery_queue *queue, int64_t now_us)
{
    struct batch *batch = mem_zalloc(sizeof(*batch));
    size_t most = queue->options.rules.max_batch_size;
    struct delivery_entry *last = NULL;

    batch->super.queue = queue;
    batch->super.first = queue->oldest;
    batch->first_try_us = now_us;
    while (queue->waiting > 0 && batch->super.count < most) {
        last = take_oldest(queue);
        batch->super.count++;
        batch->super.bytes += last->len;
    }
    last->next = NULL;
    queue->held += batch->super.count;
    queue->held_bytes += batch->super.bytes;
    return batch;
}

/* NULL: nothing is ready; then gather_until_us says when, if anything waits. */
static struct batch *take(struct delivery_queue *queue, int64_t now_us)
{
    struct batch *batch = NULL;

    (void)pthread_mutex_lock(&queue->lock);
    if (is_ripe(queue, now_us)) {
        batch = cut(queue, now_us);
        queue->gather_until_us = 0;
    } else if (queue->waiting > 0 && queue->gather_until_us == 0) {
        queue->gather_until_us = now_us + queue->options.rules.max_coalescing_us;
    }
    if (batch != NULL)
        queue->wake_at = 0;
    else
        queue->wake_at = queue->waiting > 0 ? queue->options.rules.max_batch_size : 1;
    (void)pthread_mutex_unlock(&queue->lock);
    return batch;
}

static void try(struct batch *batch)
{
    struct delivery_queue *queue = batch->super.queue;

    batch->phase = BATCH_TRIED;
    batch->super.state = NULL;
    queue->options.sender->send(queue->options.sender, queue->delivery, &batch->super);
}

/* Takes it out of its queue. */
static void drop(struct batch *batch, bool is_lost)
{
    struct delivery_queue *queue = batch->super.queue;
    struct batch **link = &queue->batches;

    while (*link != batch)
        link = &(*link)->next;
    *link = batch->next;
    queue->lanes_used--;
    (void)pthread_mutex_lock(&queue->lock);
    queue->held -= batch->super.count;
    queue->held_bytes -= batch->super.bytes;
    count_held(queue, batch->super.bytes, false);
    queue->lost.given_up += is_lost ? batch->super.count : 0;
    (void)pthread_mutex_unlock(&queue->lock);
    metrics_add(is_lost ? METRIC_DELIVERY_LOST : METRIC_DELIVERY_SENT, (int64_t)batch->super.count);
    (void)free_entries((struct delivery_entry *)(uintptr_t)batch->super
                           .first); /* ours; senders only look. NOLINT(performance-no-int-to-ptr) */
    free(batch);
}

static int64_t rest_us(const struct delivery_rules *rules, unsigned tries)
{
    int64_t rest = rules->first_retry_us;

    for (unsigned i = 1; i < tries && i < DOUBLINGS_MAX && rest < rules->longest_retry_us; i++)
        rest *= 2;
    return rest < rules->longest_retry_us ? rest : rules->longest_retry_us;
}

/* One line when a sink begins to fail, one when that is over; what is lost is told by queue_tell(). */
static void note_failure(struct delivery_queue *queue, int64_t now_us)
{
    metrics_add(METRIC_DELIVERY_FAILURES, 1);
    if (!queue->is_failing && now_us - queue->failure_told_us >= FAILURE_TELL_US) {
        log_warn("delivery: fails; queue=%s why=%s", queue->options.name, queue->why);
        queue->failure_told_us = now_us;
        queue->is_failure_told = true;
    }
    queue->is_failing = true;
}

static void note_success(struct delivery_queue *queue)
{
    if (queue->is_failure_told)
        log_notice("delivery: works again; queue=%s", queue->options.name);
    queue->is_failing = queue->is_failure_told = false;
}

static void settle(struct batch *batch, int64_t now_us)
{
    struct delivery_queue *queue = batch->super.queue;
    const struct delivery_rules *rules = &queue->options.rules;

    if (batch->end == DELIVERY_DONE) {
        note_success(queue);
        drop(batch, /* is_lost= */ false);
        return;
    }
    note_failure(queue, now_us);
    if (batch->end == DELIVERY_REFUSED || now_us - batch->first_try_us > rules->max_retry_us) {
        drop(batch, /* is_lost= */ true);
        return;
    }
    batch->super.tries++;
    batch->phase = BATCH_RESTING;
    batch->retry_at_us = now_us + rest_us(rules, batch->super.tries);
}

/* Batches under way: what has ended, and what has rested. */
static void carry_on(struct delivery_queue *queue, int64_t now_us)
{
    for (struct batch *batch = queue->batches, *next; batch != NULL; batch = next) {
        next = batch->next;
        if (batch->phase == BATCH_RESTING && batch->retry_at_us <= now_us)
            try(batch);
        if (batch->phase == BATCH_ENDED)
            settle(batch, now_us);
    }
}

/* false: there may be more. */
static bool start_some(struct delivery_queue *queue, int64_t now_us)
{
    for (int i = 0; i < STARTS_PER_TURN && queue->lanes_used < queue->options.lanes; i++) {
        struct batch *batch = take(queue, now_us);
        if (batch == NULL)
            return true;
        batch->next = queue->batches;
        queue->batches = batch;
        queue->lanes_used++;
        try(batch);
        if (batch->phase == BATCH_ENDED)
            settle(batch, now_us);
    }
    return queue->lanes_used == queue->options.lanes;
}

int64_t queue_turn(struct delivery_queue *queue, int64_t now_us)
{
    int64_t due_us = INT64_MAX;

    carry_on(queue, now_us);
    bool is_done = start_some(queue, now_us);
    for (const struct batch *batch = queue->batches; batch != NULL; batch = batch->next)
        if (batch->phase == BATCH_RESTING && batch->retry_at_us < due_us)
            due_us = batch->retry_at_us;
    bool has_lane = queue->lanes_used < queue->options.lanes;
    if (has_lane && queue->gather_until_us != 0 && queue->gather_until_us < due_us)
        due_us = queue->gather_until_us;
    return is_done ? due_us : now_us;
}

void queue_hurry(struct delivery_queue *queue)
{
    for (struct batch *batch = queue->batches; batch != NULL; batch = batch->next)
        if (batch->phase == BATCH_RESTING)
            batch->retry_at_us = 0;
}

static struct losses read_losses(struct delivery_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    struct losses lost = queue->lost;
    (void)pthread_mutex_unlock(&queue->lock);
    return lost;
}

bool queue_has_losses(struct delivery_queue *queue)
{
    struct losses lost = read_losses(queue);

    return lost.full != queue->told.full || lost.given_up != queue->told.given_up;
}

void queue_tell(struct delivery_queue *queue)
{
    struct losses lost = read_losses(queue);

    log_error("delivery: entries lost; queue=%s full=%" PRIu64 " given_up=%" PRIu64 " last_failure=%s",
              queue->options.name, lost.full - queue->told.full, lost.given_up - queue->told.given_up,
              queue->why[0] != '\0' ? queue->why : "none");
    queue->told = lost;
}

bool queue_leave(struct delivery_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool is_told = queue->lost.full == queue->told.full && queue->lost.given_up == queue->told.given_up;
    bool leaves = queue->waiting == 0 && queue->batches == NULL && is_told;
    bool is_last = leaves && queue->is_let_go;
    queue->is_active = !leaves;
    (void)pthread_mutex_unlock(&queue->lock);
    if (is_last)
        queue_free(queue);
    return leaves;
}

void queue_abandon(struct delivery_queue *queue)
{
    struct batch *batch;

    while ((batch = queue->batches) != NULL) {
        if (batch->phase == BATCH_TRIED && queue->options.sender->cancel != NULL)
            queue->options.sender->cancel(queue->options.sender, &batch->super);
        drop(batch, /* is_lost= */ true);
    }
    (void)pthread_mutex_lock(&queue->lock);
    struct delivery_entry *rest = queue->oldest;
    count_held(queue, queue->waiting_bytes, false);
    queue->lost.given_up += queue->waiting;
    queue->waiting = queue->waiting_bytes = 0;
    queue->oldest = NULL;
    queue->end = &queue->oldest;
    (void)pthread_mutex_unlock(&queue->lock);
    metrics_add(METRIC_DELIVERY_LOST, (int64_t)free_entries(rest));
}

/* ---- whoever makes one ---- */

struct delivery_queue *delivery_queue_new(const struct delivery_options *options)
{
    struct delivery_queue *queue = mem_zalloc(sizeof(*queue));

    queue->options = *options;
    queue->options.name = mem_printf("%.*s", DELIVERY_NAME_MAX, options->name);
    if (queue->options.lanes == 0)
        queue->options.lanes = 1;
    queue->end = &queue->oldest;
    (void)pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

void queue_free(struct delivery_queue *queue)
{
    assert(queue->batches == NULL && queue->waiting == 0);
    queue->options.sender->free(queue->options.sender);
    (void)pthread_mutex_destroy(&queue->lock);
    free((char *)(uintptr_t)queue->options.name); /* made above. NOLINT(performance-no-int-to-ptr) */
    free(queue);
}

void delivery_queue_let_go(struct delivery_queue *queue)
{
    if (queue == NULL)
        return;
    (void)pthread_mutex_lock(&queue->lock);
    struct delivery *delivery = queue->delivery;
    bool attach = delivery != NULL && !queue->is_active;
    queue->is_let_go = true;
    queue->is_active = delivery != NULL;
    (void)pthread_mutex_unlock(&queue->lock);

    if (delivery == NULL)
        queue_free(queue);
    else if (attach)
        delivery_attach(delivery, queue);
    else
        delivery_wake(delivery);
}
