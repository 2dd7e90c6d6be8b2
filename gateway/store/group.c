/*
 * group - see group.h.
 *
 *   queue ---> bodies, one after the other ---> COMMIT
 *              (one leader at a time)           (the next leader runs bodies meanwhile)
 *
 * Who finds nobody running bodies becomes the leader: he lends his connection and his thread to everybody who
 * waits, and goes on taking members in for as long as the group before is committing. So groups are as large
 * as commits are slow, and a write that is alone does not wait for company.
 *
 * A leader who commits wants nothing but the append lock, so a body that waits for his rows waits for a
 * flush.
 */

#include "gateway/store/group.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/store/errors.h"
#include "gateway/store/session.h"

enum {
    MAX_MEMBERS = 16,
    LOCK_TIMEOUT_MS = 100,  /* for rows of strangers; whoever needs more patience has it alone */
    QUEUE_TIMEOUT_MS = 200, /* likewise for a leader whose bodies take long, and for a COMMIT that does */
};

enum state {
    QUEUED,
    TAKEN, /* a leader's until its outcome is there */
    SETTLED,
};

struct member {
    struct list link;      /* while QUEUED in group->queue; while TAKEN in batch->members */
    pthread_cond_t called; /* settled, or to lead */
    struct store_session *session;
    store_body_fn body;
    void *arg;
    struct outbox_receipt *receipt;
    struct store_error *error;
    bool has_changes; /* is part of the commit */
    enum state state; /* thread: any, under lock; likewise the next */
    enum group_outcome outcome;
};

struct group {
    pthread_mutex_t lock;
    pthread_condattr_t monotonic;
    pthread_cond_t news; /* for the leader who would go: somebody arrives, a commit is over */
    struct list queue;   /* thread: any, under lock; likewise the next two */
    bool has_leader;     /* somebody runs bodies */
    unsigned committing;
};

/* One transaction. thread: its leader */
struct batch {
    struct transaction transaction;
    struct list members;
    struct store_session *leader;
    size_t count;
    size_t changes; /* members that are part of the commit */
    unsigned marks; /* savepoints set */
    bool is_marked; /* the newest savepoint has nothing behind it */
};

struct group *group_new(void)
{
    struct group *group = mem_zalloc(sizeof(*group));

    (void)pthread_mutex_init(&group->lock, NULL);
    (void)pthread_condattr_init(&group->monotonic);
    (void)pthread_condattr_setclock(&group->monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&group->news, &group->monotonic);
    list_init(&group->queue);
    return group;
}

void group_free(struct group *group)
{
    if (group == NULL)
        return;
    (void)pthread_cond_destroy(&group->news);
    (void)pthread_condattr_destroy(&group->monotonic);
    (void)pthread_mutex_destroy(&group->lock);
    free(group);
}

static struct timespec patience_end(void)
{
    struct timespec end;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += QUEUE_TIMEOUT_MS * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000L;
    end.tv_nsec %= 1000000000L;
    return end;
}

/* ---- bodies ---- */

static void open_transaction(struct batch *batch)
{
    const struct store_options *options = batch->leader->options;

    transaction_open(&batch->transaction, batch->leader->primary, options, LOCK_TIMEOUT_MS);
    batch->marks = 0;
    batch->is_marked = false;
}

/* Whatever the member did is gone, locks included. */
static void undo(struct batch *batch, struct member *member)
{
    session_forget(member->session);
    if (batch->changes > 0) {
        transaction_go_back(&batch->transaction, batch->marks);
        batch->is_marked = true;
        return;
    }
    transaction_roll_back(&batch->transaction);
    open_transaction(batch);
}

/* Would it help to have more time, or nobody else in the transaction? */
static bool wants_to_be_alone(const struct store_error *error)
{
    return error->failure == STORE_CONFLICT ||
           (error->failure == STORE_UNAVAILABLE && error->err.code == ERR_TIMEOUT);
}

static void run_body(struct batch *batch, struct member *member)
{
    struct store_session *session = member->session;

    if (batch->changes > 0 && !batch->is_marked)
        transaction_mark(&batch->transaction, ++batch->marks);
    session_forget(session);
    session->transaction = &batch->transaction;
    bool wanted = member->body(session, member->arg, member->error);
    session->transaction = NULL;
    member->outcome = wanted ? GROUP_DONE : GROUP_FAILED;
    member->has_changes = wanted && session->change_count > 0;
    if (member->has_changes) {
        batch->changes++;
        batch->is_marked = false;
        return;
    }
    if (transaction_is_lost(&batch->transaction))
        return; /* and with it everybody's part, which the commit will find */
    if (!wanted && wants_to_be_alone(member->error))
        member->outcome = GROUP_ALONE;
    undo(batch, member);
}

/* ---- commit ---- */

static bool append(struct batch *batch, struct bus_err *err)
{
    struct outbox_commit *commits = mem_zalloc(batch->changes * sizeof(*commits));
    struct bus_event **events = mem_zalloc(batch->changes * sizeof(struct bus_event *));
    const struct store_options *options = batch->leader->options;
    const struct outbox_append append = {
        .commits = commits,
        .count = batch->changes,
        .origin = options->node_id.bytes,
        .timeout_ms = options->append_timeout_ms,
        .release_sql = batch->marks > 0 ? "RELEASE SAVEPOINT m1" : NULL, /* and all behind it */
    };
    size_t count = 0;

    list_each (link, &batch->members) {
        const struct member *member = CONTAINER_OF(link, struct member, link);
        if (!member->has_changes)
            continue;
        events[count] = session_events(member->session);
        commits[count] =
            (struct outbox_commit){.events = events[count], .count = member->session->change_count};
        count++;
    }
    assert(count == batch->changes);
    /* What went wrong last is undone before the others are made to stay. */
    bool ok = transaction_flush(&batch->transaction, err) &&
              outbox_append(batch->transaction.connection, &append, err);
    count = 0;
    list_each (link, &batch->members) {
        const struct member *member = CONTAINER_OF(link, struct member, link);
        if (!member->has_changes)
            continue;
        if (ok)
            *member->receipt = commits[count].receipt;
        free(events[count++]);
    }
    free(events);
    free(commits);
    return ok;
}

/* Nothing was committed, or nobody knows. */
static void fail_member(struct member *member, const struct bus_err *err)
{
    struct store_error reason = {0};

    (void)store_error_from(&reason, err);
    bool may_be_anothers_fault = err->code == BUS_ERR_SQL && reason.failure != STORE_UNAVAILABLE;
    session_forget(member->session);
    if (member->has_changes && !may_be_anothers_fault) {
        (void)store_error_from(member->error, err);
        member->outcome = GROUP_FAILED;
    } else if (member->has_changes || member->error->failure != STORE_UNAVAILABLE) {
        member->outcome = GROUP_ALONE; /* what it saw of the others has not happened */
    }
    store_error_fini(&reason);
}

static void commit(struct batch *batch)
{
    struct bus_err err;

    if (batch->changes == 0) {
        transaction_roll_back(&batch->transaction);
        return;
    }
    if (append(batch, &err))
        return;
    transaction_roll_back(&batch->transaction);
    list_each (link, &batch->members)
        fail_member(CONTAINER_OF(link, struct member, link), &err);
}

/* ---- the leader ---- */

/* The next member, or NULL when the batch goes: nobody waits and the way is free. */
static struct member *take_member(struct group *group, const struct batch *batch)
{
    struct timespec end = patience_end();

    for (;;) {
        struct list *link = batch->count < MAX_MEMBERS ? list_take_first(&group->queue) : NULL;
        if (link != NULL)
            return CONTAINER_OF(link, struct member, link);
        if (batch->changes == 0 || group->committing == 0)
            return NULL;
        if (pthread_cond_timedwait(&group->news, &group->lock, &end) != 0)
            return NULL;
    }
}

/* There is nobody who runs bodies: whoever waits longest is to do it. */
static void call_leader(struct group *group)
{
    group->has_leader = false;
    if (!list_is_empty(&group->queue))
        (void)pthread_cond_signal(&CONTAINER_OF(group->queue.next, struct member, link)->called);
}

static void settle(struct group *group, struct batch *batch)
{
    struct list *link;

    while ((link = list_take_first(&batch->members)) != NULL) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        member->state = SETTLED;
        (void)pthread_cond_signal(&member->called);
    }
    (void)pthread_cond_signal(&group->news);
}

/* Under lock, which is given up while it works. */
static void lead(struct group *group, struct store_session *leader)
{
    struct batch batch = {.leader = leader};
    struct member *member;

    list_init(&batch.members);
    open_transaction(&batch);
    group->has_leader = true;
    while (!transaction_is_lost(&batch.transaction) && (member = take_member(group, &batch)) != NULL) {
        list_add_last(&batch.members, &member->link);
        member->state = TAKEN;
        batch.count++;
        pthread_mutex_unlock(&group->lock);
        run_body(&batch, member);
        pthread_mutex_lock(&group->lock);
    }
    group->committing++;
    call_leader(group);
    pthread_mutex_unlock(&group->lock);
    commit(&batch);
    pthread_mutex_lock(&group->lock);
    group->committing--;
    settle(group, &batch);
}

static void leave(struct group *group, struct member *member)
{
    list_remove(&member->link);
    member->state = SETTLED;
    member->outcome = GROUP_ALONE;
    if (!group->has_leader) /* it may just have been called */
        call_leader(group);
}

enum group_outcome group_transact(struct group *group, struct store_session *session, store_body_fn body,
                                  void *arg, struct outbox_receipt *receipt, struct store_error *error)
{
    struct member member = {
        .session = session, .body = body, .arg = arg, .receipt = receipt, .error = error, .state = QUEUED};
    struct timespec end = patience_end();

    *receipt = (struct outbox_receipt){0};
    (void)pthread_cond_init(&member.called, &group->monotonic);
    pthread_mutex_lock(&group->lock);
    list_add_last(&group->queue, &member.link);
    (void)pthread_cond_signal(&group->news);
    while (member.state != SETTLED) {
        if (member.state == QUEUED && !group->has_leader)
            lead(group, session);
        else if (member.state == TAKEN)
            (void)pthread_cond_wait(&member.called, &group->lock);
        else if (pthread_cond_timedwait(&member.called, &group->lock, &end) != 0 && member.state == QUEUED)
            leave(group, &member);
    }
    pthread_mutex_unlock(&group->lock);
    (void)pthread_cond_destroy(&member.called);
    return member.outcome;
}
