/*
 * loop - see loop.h.
 *
 * A turn is one h2o_evloop_run() and one look at the timer wheel. Messages travel through a stack that
 * senders push with one compare-and-swap and the loop takes whole; only the push onto an empty stack wakes
 * the loop through an eventfd. h2o's own queues are not used: their socket takes its buffers from the thread
 * that made it, and ours is made before the thread exists.
 */

#include "gateway/io/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/timer_wheel.h"

enum {
    LONGEST_WAIT_MS = 60 * 1000,
    NAME_SIZE = 16, /* of a thread, NUL included: pthread_setname_np(3) */
};

struct loop {
    struct loop *self; /* for a clock that is read through a const loop */
    char name[NAME_SIZE];
    pthread_t thread;
    bool started; /* thread: whoever opened the loop */
    h2o_loop_t *h2o;
    h2o_socket_t *bell;
    int bell_fd; /* the bell socket's */
    struct timer_wheel wheel;
    struct loop_end *ends;     /* thread: the loop's */
    struct loop_later *laters; /* thread: the loop's */
    void (*on_start)(void *arg);
    void *arg;
    /* The monotonic clock as read when h2o's was last seen to have moved. thread: the loop's */
    uint64_t seen_h2o_ms;
    int64_t now_ms;
    _Atomic(struct loop_message *) posted; /* thread: any */
    atomic_bool stopping;                  /* thread: any */
};

/* Which loop the current thread runs: set before anything else happens on it. */
static __thread const struct loop *running;

static int64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail; goes on while the machine sleeps */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void run_posted(struct loop *loop)
{
    /* Pairs with the release in loop_post(): what the sender wrote before is visible. */
    struct loop_message *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct loop_message *oldest = NULL;

    while (newest != NULL) {
        struct loop_message *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_message *message = oldest;

        oldest = oldest->next;
        message->next = NULL;
        message->run(message);
    }
}

static void on_bell(h2o_socket_t *bell, const char *error)
{
    struct loop *loop = bell->data;
    uint64_t count;

    (void)error; /* never set: h2o does not read this socket */
    /* Before the messages are taken: a message pushed in between rings again. EAGAIN is fine. */
    if (read(loop->bell_fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
        log_error("loop: cannot read its bell; name=%s errno=%d", loop->name, errno);
    run_posted(loop);
}

static void ring(struct loop *loop)
{
    const uint64_t one = 1;

    /* EAGAIN means that the counter is full, so the loop is about to wake anyway. */
    if (write(loop->bell_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("loop: cannot be woken; name=%s errno=%d", loop->name, errno);
}

static void refresh_now(struct loop *loop)
{
    loop->seen_h2o_ms = h2o_now(loop->h2o);
    loop->now_ms = clock_ns() / 1000000;
}

/* One of them may ask for another. */
static void run_laters(struct loop *loop)
{
    while (loop->laters != NULL) {
        struct loop_later *later = loop->laters;

        loop->laters = later->next;
        later->is_waiting = false;
        later->run(later);
    }
}

void loop_turn(struct loop *loop, int wait_ms)
{
    assert(loop_is_mine(loop));
    (void)h2o_evloop_run(loop->h2o, wait_ms); /* -1 is EINTR: one empty turn */
    refresh_now(loop);
    timer_wheel_run(&loop->wheel, loop->now_ms);
    run_laters(loop);
}

/*
 * h2o keeps empty buffers and pool chunks per thread, and this thread ends. Buffers can be asked back. Chunks
 * (at most 16) are drawn into a pool, which links them through their first member (lib/common/memory.c
 * of 2.2.5), and freed one by one instead of with it.
 */
static void free_recycled(void)
{
    enum {
        KEPT_CHUNKS = 16,
        PIECE_BYTES = 1000,
        PIECES_PER_CHUNK = 4
    };
    h2o_mem_recycle_t *kept = &h2o_socket_buffer_prototype.allocator;
    h2o_mem_pool_t pool;

    while (kept->cnt > 0)
        free(h2o_mem_alloc_recycle(kept, /* sz= */ 1));
    h2o_mem_init_pool(&pool);
    for (int i = 0; i < KEPT_CHUNKS * PIECES_PER_CHUNK; i++)
        (void)h2o_mem_alloc_pool(&pool, PIECE_BYTES); /* just for the chunk it takes */
    for (void *chunk = pool.chunks; chunk != NULL;) {
        void *next = *(void **)chunk;

        free(chunk);
        chunk = next;
    }
}

static void *run(void *arg)
{
    struct loop *loop = arg;

    running = loop;
    (void)pthread_setname_np(pthread_self(), loop->name); /* a name only */
    refresh_now(loop);
    if (loop->on_start != NULL)
        loop->on_start(loop->arg);
    /* Pairs with the release in loop_stop(): what its caller posted before is there for run_posted(). */
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire))
        loop_turn(loop, timer_wheel_wait_ms(&loop->wheel, loop->now_ms, LONGEST_WAIT_MS));
    run_posted(loop);

    while (loop->ends != NULL) {
        struct loop_end *end = loop->ends;

        loop->ends = end->next;
        end->on_end(end);
    }
    loop_turn(loop, 0); /* h2o frees closed sockets in the turn after */
    free_recycled();
    return NULL;
}

struct timer_wheel *loop_wheel(struct loop *loop)
{
    return &loop->wheel;
}

bool loop_is_mine(const struct loop *loop)
{
    return running == loop;
}

h2o_loop_t *loop_h2o(struct loop *loop)
{
    return loop->h2o;
}

int64_t loop_now_ms(const struct loop *loop)
{
    /* h2o reads the clock after each wait; ours is read when it is first asked for after that. */
    if (loop->seen_h2o_ms != h2o_now(loop->h2o))
        refresh_now(loop->self);
    return loop->now_ms;
}

int64_t loop_clock_us(void)
{
    return clock_ns() / 1000;
}

void loop_on_end(struct loop *loop, struct loop_end *end)
{
    assert(loop_is_mine(loop));
    end->next = loop->ends;
    loop->ends = end;
}

void loop_run_later(struct loop *loop, struct loop_later *later)
{
    assert(loop_is_mine(loop));
    if (later->is_waiting)
        return;
    later->is_waiting = true;
    later->next = loop->laters;
    loop->laters = later;
}

void loop_forget_later(struct loop *loop, struct loop_later *later)
{
    struct loop_later **at = &loop->laters;

    if (!later->is_waiting)
        return;
    while (*at != later)
        at = &(*at)->next;
    *at = later->next;
    later->is_waiting = false;
}

void loop_post(struct loop *loop, struct loop_message *message)
{
    struct loop_message *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

    /* Pairs with the acquire in run_posted(). */
    do
        message->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, message, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL)
        ring(loop);
}

bool loop_open(const char *name, struct loop **loop, struct err *err)
{
    struct loop *opened = mem_zalloc(sizeof(*opened));

    (void)snprintf(opened->name, sizeof(opened->name), "%s", name);
    opened->self = opened;
    opened->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (opened->bell_fd < 0) {
        int why = errno;

        free(opened);
        return err_set(err, ERR_IO, "cannot make an eventfd for loop \"%s\": %s", name, strerror(why));
    }
    opened->h2o = h2o_evloop_create();
    opened->bell = h2o_evloop_socket_create(opened->h2o, opened->bell_fd, H2O_SOCKET_FLAG_DONT_READ);
    opened->bell->data = opened;
    h2o_socket_read_start(opened->bell, on_bell);
    opened->now_ms = clock_ns() / 1000000;
    timer_wheel_init(&opened->wheel, opened->now_ms);
    *loop = opened;
    return true;
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    assert(!loop->started);
    h2o_socket_close(loop->bell);
    h2o_evloop_destroy(loop->h2o);
    free(loop);
}

bool loop_start(struct loop *loop, void (*on_start)(void *arg), void *arg, struct err *err)
{
    sigset_t all;
    sigset_t before;

    assert(!loop->started);
    loop->on_start = on_start;
    loop->arg = arg;
    /* Signals belong to main: h2o skips a turn when epoll is interrupted. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&loop->thread, NULL, run, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return err_set(err, ERR_IO, "cannot start thread \"%s\": %s", loop->name, strerror(failed));
    loop->started = true;
    return true;
}

void loop_stop(struct loop *loop)
{
    /* Pairs with the acquire in run(). */
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    ring(loop);
}

void loop_join(struct loop *loop)
{
    if (loop == NULL || !loop->started)
        return;
    (void)pthread_join(loop->thread, NULL); /* fails only for a thread that is not ours to join */
    loop->started = false;
}

void loop_run_late(struct loop *loop)
{
    const struct loop *before = running;

    assert(!loop->started);
    running = loop;
    while (atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL)
        run_posted(loop);
    running = before;
}
