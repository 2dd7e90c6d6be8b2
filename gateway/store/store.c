/*
 * store - the threads that run jobs, and their queue.
 *
 * A job gets a session with a connection of its own, runs to its end and may block; the deadlines are in the
 * calls it makes. Jobs that had not begun when the store closes still run, so that each can answer its
 * caller, but on a session whose every call fails at once.
 */

#include "gateway/store/store.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/store/fill.h"
#include "gateway/store/group.h"
#include "gateway/store/session.h"

struct job {
    struct list link;
    void (*run)(struct store_session *session, void *arg);
    void *arg;
};

struct worker { /* thread: its own */
    struct store *store;
    pthread_t thread;
    struct store_session session;
};

struct store {
    struct store_options options;
    struct fills *fills;
    struct group *group; /* NULL: every job commits for itself */
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct list jobs; /* thread: any, under lock; likewise the next two */
    int job_count;
    bool closing;
    int worker_count;
    struct worker workers[];
};

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct store *store = worker->store;
    sigset_t signals;

    (void)pthread_setname_np(pthread_self(), "store");
    (void)sigfillset(&signals); /* main handles them */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_mutex_lock(&store->lock);
    for (;;) {
        struct list *link = list_take_first(&store->jobs);
        if (link == NULL) {
            if (store->closing)
                break;
            pthread_cond_wait(&store->arrived, &store->lock);
            continue;
        }
        store->job_count--;
        metrics_add(METRIC_STORE_JOBS_WAITING, -1);
        metrics_add(METRIC_STORE_JOBS_RUNNING, 1);
        worker->session.refused = store->closing;
        pthread_mutex_unlock(&store->lock);
        struct job *job = CONTAINER_OF(link, struct job, link);
        job->run(&worker->session, job->arg);
        free(job);
        metrics_add(METRIC_STORE_JOBS, 1);
        metrics_add(METRIC_STORE_JOBS_RUNNING, -1);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

bool store_open(const struct store_options *options, struct store **opened, struct err *err)
{
    size_t count = options->job_threads > 0 ? (size_t)options->job_threads : 8;
    struct store *store = mem_zalloc(sizeof(*store) + count * sizeof(store->workers[0]));

    store->options = *options;
    if (store->options.max_queued_jobs <= 0)
        store->options.max_queued_jobs = 1024;
    list_init(&store->jobs);
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_cond_init(&store->arrived, NULL);
    if (options->commits_together)
        store->group = group_new();
    if (!fills_open(options, &store->fills, err)) {
        store_close(store);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct worker *worker = &store->workers[i];
        worker->store = store;
        session_init(&worker->session, store, &store->options);
        worker->session.group = store->group;
        int failure = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (failure != 0) {
            session_fini(&worker->session);
            store_close(store);
            return err_set(err, ERR_INTERNAL, "start a store thread: %s", strerror(failure));
        }
        store->worker_count++;
    }
    *opened = store;
    return true;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_broadcast(&store->arrived);
    pthread_mutex_unlock(&store->lock);
    for (int i = 0; i < store->worker_count; i++) {
        (void)pthread_join(store->workers[i].thread, NULL);
        session_fini(&store->workers[i].session);
    }
    group_free(store->group);
    fills_close(store->fills);
    (void)pthread_cond_destroy(&store->arrived);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

bool store_submit(struct store *store, void (*run)(struct store_session *session, void *arg), void *arg)
{
    struct job *job = mem_zalloc(sizeof(*job));

    job->run = run;
    job->arg = arg;
    pthread_mutex_lock(&store->lock);
    bool accepted = !store->closing && store->job_count < store->options.max_queued_jobs;
    if (accepted) {
        list_add_last(&store->jobs, &job->link);
        store->job_count++;
        pthread_cond_signal(&store->arrived);
    }
    pthread_mutex_unlock(&store->lock);
    metrics_add(accepted ? METRIC_STORE_JOBS_WAITING : METRIC_STORE_JOBS_REFUSED, 1);
    if (!accepted)
        free(job);
    return accepted;
}

void store_fill(struct store *store, struct store_fill *fill)
{
    fills_give(store->fills, fill);
}
