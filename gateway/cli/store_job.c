/* store_job - see store_job.h. */

#include "gateway/cli/store_job.h"

#include <pthread.h>

#include "gateway/cli/database.h"
#include "gateway/config/config.h"
#include "gateway/store/bulk.h"

enum {
    PATIENCE_MS = 60000 /* for a statement, and for a place in the log */
};

struct store_job {
    void (*work)(struct store_session *session, void *arg);
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done; /* under mutex */
};

static void run(struct store_session *session, void *arg)
{
    struct store_job *job = arg;

    job->work(session, job->arg);
    pthread_mutex_lock(&job->mutex);
    job->is_done = true;
    pthread_cond_signal(&job->done);
    pthread_mutex_unlock(&job->mutex);
}

static void wait_for(struct store_job *job)
{
    pthread_mutex_lock(&job->mutex);
    while (!job->is_done)
        pthread_cond_wait(&job->done, &job->mutex);
    pthread_mutex_unlock(&job->mutex);
}

static bool open_store(const struct config *config, const struct schemas *schemas, struct store **store,
                       struct err *err)
{
    struct store_options options = {.schemas = schemas,
                                    .job_threads = 1,
                                    .fill_threads = 1,
                                    .statement_timeout_ms = PATIENCE_MS,
                                    .append_timeout_ms = PATIENCE_MS};

    database_options(config, false, &options.primary);
    uuid_make(&options.node_id);
    return store_find_salt(&options.primary, config->pg_timeout, &options.salt, err) &&
           store_open(&options, store, err);
}

bool store_job_run(const struct config *config, const struct schemas *schemas,
                   void (*work)(struct store_session *session, void *arg), void *arg, struct err *err)
{
    struct store_job job = {
        .work = work, .arg = arg, .mutex = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    struct store *store = NULL;

    if (!open_store(config, schemas, &store, err))
        return false;
    bool accepted = store_submit(store, run, &job);
    if (accepted)
        wait_for(&job);
    else
        (void)err_set(err, ERR_UNAVAILABLE, "the store takes no work");
    store_close(store);
    return accepted;
}
