#pragma once

/*
 * request - one request to the Admin or Status API, from the handler to the answer.
 *
 * The exchange may end at any time, a job of the store cannot be called back: so a request is memory of its
 * own that is freed by whichever ends last. While a job runs, everything but `exchange`, `end` and `link` is
 * the job's.
 *
 * Threads: the loop; between request_run() and the job's end a store thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "admin/answer.h"
#include "admin/await.h"
#include "admin/body.h"
#include "admin/crud.h"
#include "admin/path.h"
#include "admin/query_string.h"
#include "admin/version.h"
#include "gateway/base/list.h"
#include "gateway/http/exchange.h"
#include "gateway/io/loop.h"

struct access;
struct admin;
struct config;
struct store_session;

struct request {
    struct list link;            /* the admin's list of running jobs; loop */
    struct admin *admin;         /* borrowed; jobs read its options only */
    const struct config *config; /* in force when the request came */
    struct access *access;       /* likewise; a reference */
    const char *principal; /* name of the token it has brought, `access` has it; NULL: none, or not asked */
    struct exchange *exchange; /* NULL: has ended; loop only */
    struct exchange_end end;
    struct loop_message done;
    bool is_running;  /* a job has it, it waits, or a message of its own is under way (stream.c); loop only */
    struct timer nap; /* of one that waits for this node to catch up; loop only */
    bool is_answered; /* loop only */
    bool is_status_api; /* came in by status_listen */
    enum method method; /* HEAD counts as GET: the exchange leaves the body out */
    struct path path;
    struct query_string query;
    struct body body; /* of POST, PUT and PATCH */
    struct crud_target target;
    struct version_condition condition; /* of one entity */
    cJSON *audit;                       /* who asks (audit.h), owned; NULL: nobody wants to know */
    enum await_whom await_whom;         /* of a write */
    int64_t await_ms;
    int64_t await_until_us;        /* loop */
    bool is_late;                  /* when it was last looked whether all have it; loop */
    struct outbox_receipt receipt; /* of what has been committed; position 0: nothing */
    struct answer answer;
    char allow[64]; /* what OPTIONS says */
    int64_t received_us;
    int64_t give_up_us; /* a job that begins later does nothing */
    void (*work)(struct store_session *session, struct request *request);
    /* On the loop, if the job has left it to that to fill the answer; NULL: it never does. */
    void (*after)(struct request *request);
    struct buf piece; /* of an answer in pieces: what is being sent */
    cJSON *found;     /* what the job leaves for `after`; owned */
};

/* The caller's until request_reply() or request_run(). */
struct request *request_new(struct admin *admin, struct exchange *exchange);

/* Hands it to a store thread; `work` fills the answer, which is sent when it returns. */
void request_run(struct request *request,
                 void (*work)(struct store_session *session, struct request *request));

/*
 * In a job, after a commit: tells the other nodes and waits until this one has caught up, so that who has
 * written sees it, unless he does not want that. The answer names the position.
 */
void request_spread(struct request *request, struct store_session *session,
                    const struct outbox_receipt *receipt);

/* Sends the answer, if anybody is still there. The request may be gone on return. */
void request_reply(struct request *request);

/* Only for those whose job's end was never told to the loop, because the loop had ended. */
void request_free(struct request *request);
