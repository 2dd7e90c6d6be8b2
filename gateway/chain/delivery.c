/*
 * delivery - see delivery.h. A turn looks at every queue that has something to do; between turns the thread
 * waits for libcurl's sockets, for watches, for the next time that is due, or to be woken.
 */

#include "gateway/chain/delivery.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/delivery_inside.h"
#include "gateway/io/loop.h"

enum {
    TELL_US = 1000000,  /* between two lines about losses */
    REST_US = 60000000, /* the longest sleep */
};

/* ---- any thread ---- */

void delivery_wake(struct delivery *delivery)
{
    delivery_http_wake(delivery->multi);
}

void delivery_attach(struct delivery *delivery, struct delivery_queue *queue)
{
    (void)pthread_mutex_lock(&delivery->lock);
    queue->next = delivery->inbox;
    delivery->inbox = queue;
    (void)pthread_mutex_unlock(&delivery->lock);
    delivery_wake(delivery);
}

void delivery_reopen(struct delivery *delivery)
{
    if (delivery != NULL)
        atomic_fetch_add_explicit(&delivery->reopened, 1, memory_order_relaxed);
}

unsigned delivery_reopened(const struct delivery *delivery)
{
    return atomic_load_explicit(&delivery->reopened, memory_order_relaxed);
}

/* ---- watches ---- */

void delivery_watch(struct delivery *delivery, struct delivery_watch *watch)
{
    delivery_unwatch(watch);
    watch->got = 0;
    watch->next = delivery->watches;
    watch->link = &delivery->watches;
    if (watch->next != NULL)
        watch->next->link = &watch->next;
    delivery->watches = watch;
}

void delivery_unwatch(struct delivery_watch *watch)
{
    if (watch->link == NULL)
        return;
    *watch->link = watch->next;
    if (watch->next != NULL)
        watch->next->link = watch->link;
    watch->next = NULL;
    watch->link = NULL;
}

static struct delivery_watch *find_event(const struct delivery *delivery, int64_t now_us)
{
    for (struct delivery_watch *watch = delivery->watches; watch != NULL; watch = watch->next)
        if (watch->got != 0 || (watch->until_us != 0 && watch->until_us <= now_us))
            return watch;
    return NULL;
}

/* From the front each time: whoever is called may change the list. */
void delivery_run_watches(struct delivery *delivery, int64_t now_us)
{
    struct delivery_watch *watch;

    while ((watch = find_event(delivery, now_us)) != NULL) {
        short revents = watch->got;
        watch->got = 0;
        if (revents == 0)
            watch->until_us = 0;
        watch->on_event(watch, revents);
    }
}

/* ---- the thread ---- */

static void hurry(struct delivery *delivery)
{
    delivery->ending = true;
    for (struct delivery_queue *queue = delivery->active; queue != NULL; queue = queue->next)
        queue_hurry(queue);
}

static void take_orders(struct delivery *delivery)
{
    (void)pthread_mutex_lock(&delivery->lock);
    struct delivery_queue *inbox = delivery->inbox;
    bool is_ending = delivery->stop;
    delivery->inbox = NULL;
    (void)pthread_mutex_unlock(&delivery->lock);

    while (inbox != NULL) {
        struct delivery_queue *queue = inbox;
        inbox = queue->next;
        queue->next = delivery->active;
        delivery->active = queue;
    }
    if (is_ending && !delivery->ending)
        hurry(delivery);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * One line a second, about whoever has been silent longest: who loses all the time keeps nobody else from
 * telling, and from leaving. Returns when the next may come; INT64_MAX: there is nothing more to tell.
 */
static int64_t tell(struct delivery *delivery, int64_t now_us)
{
    struct delivery_queue *longest = NULL;
    size_t untold = 0;

    for (struct delivery_queue *queue = delivery->active; queue != NULL; queue = queue->next) {
        if (!queue_has_losses(queue))
            continue;
        untold++;
        if (longest == NULL || queue->told_us < longest->told_us)
            longest = queue;
    }
    if (longest != NULL && now_us >= delivery->told_us + TELL_US) {
        queue_tell(longest);
        longest->told_us = delivery->told_us = now_us;
        untold--;
    }
    return untold > 0 ? delivery->told_us + TELL_US : INT64_MAX;
}

static void let_leave(struct delivery *delivery)
{
    for (struct delivery_queue **link = &delivery->active; *link != NULL;) {
        struct delivery_queue *queue = *link;
        struct delivery_queue *next = queue->next;
        if (queue_leave(queue)) /* `next` of it may be somebody else's already */
            *link = next;
        else
            link = &queue->next;
    }
}

int64_t delivery_turn(struct delivery *delivery, int64_t now_us)
{
    int64_t due_us = INT64_MAX;

    take_orders(delivery);
    for (struct delivery_queue *queue = delivery->active; queue != NULL; queue = queue->next)
        due_us = sooner(due_us, queue_turn(queue, now_us));
    due_us = sooner(due_us, tell(delivery, now_us));
    let_leave(delivery);
    return due_us;
}

static bool is_over(const struct delivery *delivery, int64_t now_us)
{
    return delivery->ending && (delivery->active == NULL || now_us >= delivery->stop_until_us);
}

static void *run(void *arg)
{
    struct delivery *delivery = arg;

    for (;;) {
        int64_t now_us = loop_clock_us();
        int64_t until_us = sooner(delivery_turn(delivery, now_us), now_us + REST_US);
        if (is_over(delivery, now_us))
            return NULL;
        if (delivery->ending)
            until_us = sooner(until_us, delivery->stop_until_us);
        delivery_http_wait(delivery, until_us);
        delivery_run_watches(delivery, loop_clock_us());
    }
}

/* ---- opening and closing ---- */

struct delivery *delivery_new(void)
{
    struct delivery *delivery = mem_zalloc(sizeof(*delivery));

    (void)pthread_mutex_init(&delivery->lock, NULL);
    delivery->multi = delivery_http_open();
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    take_orders(delivery);
    while (delivery->active != NULL) {
        struct delivery_queue *queue = delivery->active;
        delivery->active = queue->next;
        queue_abandon(queue);
        if (queue_has_losses(queue))
            queue_tell(queue);
        bool leaves = queue_leave(queue);
        assert(leaves);
    }
    delivery_http_close(delivery->multi);
    (void)pthread_mutex_destroy(&delivery->lock);
    free(delivery);
}

bool delivery_open(struct delivery **delivery, struct err *err)
{
    struct delivery *made = delivery_new();

    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        delivery_free(made);
        return err_set(err, ERR_INTERNAL, "cannot start the thread of deliveries");
    }
    (void)pthread_setname_np(made->thread, "delivery");
    *delivery = made;
    return true;
}

void delivery_equip(struct delivery *delivery, const struct delivery_means *means)
{
    delivery->means = *means;
}

const struct delivery_means *delivery_means(const struct delivery *delivery)
{
    return &delivery->means;
}

void delivery_close(struct delivery *delivery, int64_t patience_ms)
{
    if (delivery == NULL)
        return;
    (void)pthread_mutex_lock(&delivery->lock);
    delivery->stop = true;
    delivery->stop_until_us = loop_clock_us() + patience_ms * 1000;
    (void)pthread_mutex_unlock(&delivery->lock);
    delivery_wake(delivery);
    (void)pthread_join(delivery->thread, NULL);
    delivery_free(delivery);
}
