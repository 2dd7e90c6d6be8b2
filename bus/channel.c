/*
 * One thread keeps one line open, sends what is to be told and hands over what is heard.
 *
 * Outgoing news is not a queue but one message: what has not left yet is merged into "from first to last", so
 * memory is bounded and a burst of commits becomes few messages. What was sent and not confirmed when a line
 * breaks is told again on the next one, without keys.
 *
 * While there is no line, the node lives by polling; that is logged once, and once when it is over.
 */

#include "bus/channel.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/backoff.h"
#include "bus/bell.h"
#include "bus/cursor.h"
#include "bus/echo.h"
#include "bus/line.h"
#include "bus/machine.h"

enum {
    FIRST_RETRY_MS = 100,
    MAX_RETRY_MS = 5000,
    STABLE_US = 10000000, /* a line that has held so long ends a series of failures */
    AGAIN_SPREAD_US = 50000,
    NAME_SIZE = 256,
};

/* The settings in force, deep copies. */
struct plan {
    uint64_t number; /* changes with every change */
    enum bus_channel_kind kind;
    struct bus_redis redis;
    uint8_t history[16];
};

struct channel {
    struct channel_options options; /* immutable; likewise the two descriptors and primary */
    struct pg_options primary;
    int wake; /* eventfd: there is something to tell */
    int halt; /* eventfd: plan or stopping have changed, whatever is going on should end */
    pthread_t thread;

    pthread_mutex_t lock;
    /* thread: any, under lock */
    struct plan plan;
    struct hint pending; /* not sent yet */
    bool has_pending;
    struct cursor_mark again; /* of another node's commits */
    int64_t again_us;         /* BELL_NEVER: nothing to tell again */
    bool stopping;
    bool up;
    int64_t heard_us;       /* when a message of this cluster came last, or the line was opened */
    struct bus_stats stats; /* the channel's members */

    /* thread: channel */
    struct plan used;      /* copy of the plan that the line was opened with */
    struct hint unsettled; /* first, last and tag of what was sent and not confirmed */
    bool has_unsettled;
    struct backoff backoff;
    bool lost; /* the loss has been logged */
    struct hint incoming;
    struct echo echo; /* of the open line */
};

static void say(const struct channel *channel, enum bus_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct channel *channel, enum bus_log_level level, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (channel->options.log == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    channel->options.log(channel->options.log_arg, level, text);
}

static void lock(struct channel *channel)
{
    (void)pthread_mutex_lock(&channel->lock);
}

static void unlock(struct channel *channel)
{
    (void)pthread_mutex_unlock(&channel->lock);
}

static void count(struct channel *channel, uint64_t *counter)
{
    lock(channel);
    (*counter)++;
    unlock(channel);
}

static void raise_event(int descriptor)
{
    const uint64_t one = 1;

    /* The counter of an eventfd cannot be full after less than 2^64 calls; being readable is all that counts.
     */
    if (write(descriptor, &one, sizeof(one)) < 0)
        assert(errno == EAGAIN);
}

static void clear_event(int descriptor)
{
    uint64_t times;

    if (read(descriptor, &times, sizeof(times)) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}

/* The texts of a plan; those that are empty are taken for absent. */
static const size_t texts[] = {
    offsetof(struct bus_redis, host),
    offsetof(struct bus_redis, sentinels),
    offsetof(struct bus_redis, sentinel_master),
    offsetof(struct bus_redis, sentinel_username),
    offsetof(struct bus_redis, sentinel_password),
    offsetof(struct bus_redis, cluster),
    offsetof(struct bus_redis, username),
    offsetof(struct bus_redis, password),
    offsetof(struct bus_redis, tls_server_name),
    offsetof(struct bus_redis, tls_ca_file),
    offsetof(struct bus_redis, channel),
    offsetof(struct bus_redis, secret),
};
enum {
    TEXTS = sizeof(texts) / sizeof(texts[0])
};

static const char **text_at(struct bus_redis *redis, size_t number)
{
    return (const char **)(void *)((char *)redis + texts[number]);
}

static const char *text_of(const struct bus_redis *redis, size_t number)
{
    const char *text;

    memcpy(&text, (const char *)redis + texts[number], sizeof(text));
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < TEXTS; i++)
        machine_free_copy(*text_at(&plan->redis, i));
    plan->redis = (struct bus_redis){0};
}

static void plan_copy(struct plan *to, const struct plan *from)
{
    *to = *from;
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = text_of(&from->redis, i);
        *text_at(&to->redis, i) = text != NULL ? machine_copy(text) : NULL;
    }
    if (to->redis.host == NULL)
        to->redis.host = machine_copy("");
    if (to->redis.channel == NULL)
        to->redis.channel = machine_copy("freshet");
}

static bool is_same_redis(const struct bus_redis *a, const struct bus_redis *b)
{
    for (size_t i = 0; i < TEXTS; i++) {
        const char *left = text_of(a, i);
        const char *right = text_of(b, i);
        if (strcmp(left != NULL ? left : "", right != NULL ? right : "") != 0)
            return false;
    }
    return a->port == b->port && a->database == b->database && a->tls == b->tls &&
           a->tls_verify == b->tls_verify && a->timeout_ms == b->timeout_ms;
}

static void write_name(const struct plan *plan, char name[NAME_SIZE])
{
    size_t used = (size_t)snprintf(name, NAME_SIZE - 40, "%s", plan->redis.channel);

    if (used > NAME_SIZE - 41)
        used = NAME_SIZE - 41;
    used += (size_t)snprintf(name + used, NAME_SIZE - used, ":{");
    for (int i = 0; i < 16; i++)
        used += (size_t)snprintf(name + used, NAME_SIZE - used, "%02x", plan->history[i]);
    (void)snprintf(name + used, NAME_SIZE - used, "}");
}

/* With the lock held. Keys that do not fit are left out: the message still says that the log has grown. */
static void merge(struct channel *channel, const struct hint *news)
{
    struct hint *pending = &channel->pending;

    if (!channel->has_pending) {
        *pending = *news;
        channel->has_pending = true;
        return;
    }
    if (news->first != pending->last + 1 || (news->flags & HINT_KEYS_COMPLETE) == 0)
        pending->flags &= ~(unsigned)HINT_KEYS_COMPLETE;
    if (news->first < pending->first)
        pending->first = news->first;
    if (news->last > pending->last) {
        pending->last = news->last;
        pending->tag = news->tag;
    }
    pending->flags &= news->flags | ~(unsigned)HINT_AGAIN;
    if (pending->key_count + news->key_count > HINT_MAX_KEYS) {
        pending->flags &= ~(unsigned)HINT_KEYS_COMPLETE;
        pending->key_count = 0;
        channel->stats.hints_dropped_queue++;
        return;
    }
    memcpy(pending->keys[pending->key_count], news->keys, news->key_count * HINT_KEY_BYTES);
    pending->key_count += news->key_count;
}

/* The clocks of two machines: for people to look at. */
static void note_heard(struct channel *channel, const struct hint *hint)
{
    lock(channel);
    channel->heard_us = machine_now_us();
    channel->stats.hint_lag_us = machine_unix_us() - (int64_t)hint->sent_unix_us;
    unlock(channel);
}

static void on_message(void *arg, const uint8_t *bytes, size_t length)
{
    struct channel *channel = arg;
    struct bus_stats *stats = &channel->stats;
    struct hint *hint = &channel->incoming;

    count(channel, &stats->hints_received);
    switch (hint_decode(bytes, length, channel->used.history, channel->used.redis.secret, hint)) {
    case HINT_GOOD:
        echo_heard(&channel->echo, machine_now_us(),
                   memcmp(hint->sender, channel->options.node_id, sizeof(hint->sender)) == 0,
                   machine_uniform());
        note_heard(channel, hint);
        if ((hint->flags & HINT_BEACON) == 0)
            channel->options.on_hint(channel->options.arg, hint);
        return;
    case HINT_BAD_SIZE:
        count(channel, &stats->hints_dropped_size);
        return;
    case HINT_OTHER_VERSION:
        count(channel, &stats->hints_dropped_version);
        channel->options.on_ring(channel->options.arg);
        return;
    case HINT_OTHER_HISTORY:
        count(channel, &stats->hints_dropped_history);
        return;
    case HINT_BAD_MAC:
        count(channel, &stats->hints_dropped_mac);
        return;
    }
}

/* Another node's commits that nobody has told of by now. */
static void tell_again_if_due(struct channel *channel)
{
    struct cursor_mark mark;
    bool due;

    lock(channel);
    due = channel->again_us <= machine_now_us();
    mark = channel->again;
    if (due)
        channel->again_us = BELL_NEVER;
    unlock(channel);
    if (!due || channel->options.has_heard(channel->options.arg, mark.position))
        return;
    lock(channel);
    channel->incoming =
        (struct hint){.flags = HINT_AGAIN, .first = mark.position, .last = mark.position, .tag = mark.tag};
    merge(channel, &channel->incoming);
    channel->stats.hints_reannounced++;
    unlock(channel);
}

static bool send_hint(struct channel *channel, const struct line_kind *kind, struct line *line,
                      struct hint *hint, struct bus_err *err)
{
    uint8_t bytes[HINT_MAX_BYTES];

    memcpy(hint->history, channel->used.history, sizeof(hint->history));
    memcpy(hint->sender, channel->options.node_id, sizeof(hint->sender));
    hint->sent_unix_us = (uint64_t)machine_unix_us();
    echo_sent(&channel->echo, machine_now_us());
    return kind->send(line, bytes, hint_encode(hint, channel->used.redis.secret, bytes), err);
}

/* It says nothing, but it should be heard. */
static bool send_beacon_if_due(struct channel *channel, const struct line_kind *kind, struct line *line,
                               struct bus_err *err)
{
    struct hint *hint = &channel->incoming;

    if (!echo_wants_beacon(&channel->echo, machine_now_us()))
        return true;
    *hint = (struct hint){.flags = HINT_BEACON};
    return send_hint(channel, kind, line, hint, err);
}

static void note_sent(struct channel *channel, const struct hint *hint)
{
    struct hint *unsettled = &channel->unsettled;

    if (!channel->has_unsettled)
        unsettled->first = hint->first;
    unsettled->last = hint->last;
    unsettled->tag = hint->tag;
    channel->has_unsettled = true;
    count(channel, &channel->stats.hints_sent);
}

static bool send_pending(struct channel *channel, const struct line_kind *kind, struct line *line,
                         struct bus_err *err)
{
    struct hint *hint = machine_alloc(sizeof(*hint));
    bool has_pending, good = true;

    lock(channel);
    has_pending = channel->has_pending;
    if (has_pending)
        *hint = channel->pending;
    channel->has_pending = false;
    unlock(channel);
    if (has_pending) {
        if (hint->key_count > kind->max_keys) {
            hint->key_count = 0;
            hint->flags &= ~(unsigned)HINT_KEYS_COMPLETE;
        }
        note_sent(channel, hint);
        good = send_hint(channel, kind, line, hint, err);
    }
    free(hint);
    if (good && kind->is_settled(line))
        channel->has_unsettled = false;
    return good;
}

/* Waits for the line, for news, for another plan, or for the time of the next duty. */
static void wait_for_anything(struct channel *channel, const struct line_kind *kind, const struct line *line)
{
    struct pollfd polls[2 + LINE_MAX_POLLS] = {{.fd = channel->wake, .events = POLLIN},
                                               {.fd = channel->halt, .events = POLLIN}};
    size_t poll_count = 2 + kind->fill_polls(line, polls + 2);
    int64_t due_us = kind->due_us(line);
    int64_t echo_us = echo_due_us(&channel->echo);
    int64_t left_ms;

    if (echo_us < due_us)
        due_us = echo_us;
    lock(channel);
    if (channel->again_us < due_us)
        due_us = channel->again_us;
    unlock(channel);
    left_ms = (due_us - machine_now_us() + 999) / 1000;
    /* An error of poll() shows as an error of the line. */
    (void)poll(polls, poll_count, left_ms > 0 ? (int)left_ms : 0);
    clear_event(channel->wake);
}

static bool is_plan_current(struct channel *channel)
{
    bool current;

    lock(channel);
    current = !channel->stopping && channel->plan.number == channel->used.number;
    unlock(channel);
    return current;
}

static void set_up(struct channel *channel, bool up)
{
    lock(channel);
    channel->up = up;
    channel->heard_us = machine_now_us();
    unlock(channel);
}

/* Until the plan changes (true) or the line dies (false). */
static bool serve(struct channel *channel, const struct line_kind *kind, struct line *line,
                  struct bus_err *err)
{
    while (is_plan_current(channel)) {
        if (!kind->work(line, err))
            return false;
        if (echo_is_lost(&channel->echo, machine_now_us()))
            return bus_err_set(err, BUS_ERR_CONNECT, "what is sent does not come back");
        tell_again_if_due(channel);
        if (!send_pending(channel, kind, line, err) || !send_beacon_if_due(channel, kind, line, err))
            return false;
        wait_for_anything(channel, kind, line);
    }
    return send_pending(channel, kind, line, err);
}

static void keep_unsettled(struct channel *channel)
{
    if (!channel->has_unsettled)
        return;
    lock(channel);
    merge(channel, &channel->unsettled);
    unlock(channel);
    channel->has_unsettled = false;
}

/* Until there is another plan, at most wait_ms; -1: for as long as it takes. News is no reason to try
 * earlier. */
static void rest(struct channel *channel, int wait_ms)
{
    struct pollfd halt = {.fd = channel->halt, .events = POLLIN};

    /* Cut short by a signal: one attempt comes early. */
    (void)poll(&halt, 1, wait_ms);
}

static void note_loss(struct channel *channel, const struct line_kind *kind, const struct bus_err *err)
{
    int64_t wait_ms = backoff_next(&channel->backoff, machine_uniform());

    count(channel, &channel->stats.channel_errors);
    if (!channel->lost)
        say(channel, BUS_LOG_WARN, "no channel, polling only; kind=%s reason=\"%s\"", kind->name, err->text);
    channel->lost = true;
    rest(channel, (int)wait_ms);
}

/* One line from its opening to its end. */
static void live_with_line(struct channel *channel, const struct line_kind *kind)
{
    char name[NAME_SIZE];
    const struct line_options options = {
        .redis = &channel->used.redis,
        .postgres = &channel->primary,
        .channel = name,
        .stop = channel->halt,
        .on_message = on_message,
        .arg = channel,
    };
    int64_t opened_us;
    struct bus_err err;
    struct line *line;
    bool good;

    write_name(&channel->used, name);
    line = kind->open(&options, &err);
    if (line == NULL) {
        if (is_plan_current(channel))
            note_loss(channel, kind, &err);
        return;
    }
    opened_us = machine_now_us();
    set_up(channel, true);
    count(channel, &channel->stats.channel_reconnects);
    say(channel, BUS_LOG_NOTICE, "channel is up; kind=%s name=%s", kind->name, name);
    channel->lost = false;
    echo_init(&channel->echo, opened_us, machine_uniform());
    channel->options.on_ring(channel->options.arg);
    good = serve(channel, kind, line, &err);
    set_up(channel, false);
    kind->close(line);
    keep_unsettled(channel);
    if (machine_now_us() - opened_us >= STABLE_US)
        backoff_reset(&channel->backoff);
    if (!good)
        note_loss(channel, kind, &err);
}

/* The plan in force becomes the one used. false: stop. */
static bool take_plan(struct channel *channel)
{
    bool going;

    clear_event(channel->halt);
    lock(channel);
    going = !channel->stopping;
    if (channel->used.number != channel->plan.number) {
        plan_free(&channel->used);
        plan_copy(&channel->used, &channel->plan);
        backoff_reset(&channel->backoff);
        channel->lost = false;
    }
    unlock(channel);
    return going;
}

static void *run(void *arg)
{
    struct channel *channel = arg;

    machine_block_signals();
    while (take_plan(channel)) {
        switch (channel->used.kind) {
        case BUS_CHANNEL_OFF:
            rest(channel, -1);
            break;
        case BUS_CHANNEL_REDIS:
            live_with_line(channel, &redis_line);
            break;
        case BUS_CHANNEL_PG_NOTIFY:
            live_with_line(channel, &notify_line);
            break;
        }
    }
    return NULL;
}

static void destroy(struct channel *channel)
{
    if (channel->wake >= 0)
        (void)close(channel->wake);
    if (channel->halt >= 0)
        (void)close(channel->halt);
    pg_options_clear(&channel->primary);
    plan_free(&channel->plan);
    plan_free(&channel->used);
    (void)pthread_mutex_destroy(&channel->lock);
    free(channel);
}

bool channel_open(const struct channel_options *options, struct channel **channel, struct bus_err *err)
{
    struct channel *made = machine_alloc(sizeof(*made));

    made->options = *options;
    made->again_us = BELL_NEVER;
    (void)pthread_mutex_init(&made->lock, NULL);
    backoff_init(&made->backoff, FIRST_RETRY_MS, MAX_RETRY_MS);
    pg_options_copy(&made->primary, options->primary);
    made->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    made->halt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->wake < 0 || made->halt < 0 || pthread_create(&made->thread, NULL, run, made) != 0) {
        destroy(made);
        return bus_err_set(err, BUS_ERR_INTERNAL, "no thread or descriptor for the channel");
    }
    *channel = made;
    return true;
}

void channel_close(struct channel *channel)
{
    if (channel == NULL)
        return;
    lock(channel);
    channel->stopping = true;
    unlock(channel);
    raise_event(channel->halt);
    (void)pthread_join(channel->thread, NULL);
    destroy(channel);
}

void channel_configure(struct channel *channel, const struct bus_live *live)
{
    struct plan next = {.kind = live->channel, .redis = live->redis};
    struct plan *plan = &channel->plan;
    bool same;

    lock(channel);
    same =
        plan->kind == next.kind && (next.kind == BUS_CHANNEL_OFF || is_same_redis(&plan->redis, &next.redis));
    if (!same) {
        next.number = plan->number + 1;
        memcpy(next.history, plan->history, sizeof(next.history));
        plan_free(plan);
        plan_copy(plan, &next);
        if (next.kind == BUS_CHANNEL_OFF)
            channel->has_pending = false;
    }
    unlock(channel);
    if (!same)
        raise_event(channel->halt);
}

void channel_set_history(struct channel *channel, const uint8_t history[16])
{
    struct plan *plan = &channel->plan;
    bool same;

    lock(channel);
    same = memcmp(plan->history, history, sizeof(plan->history)) == 0;
    if (!same) {
        memcpy(plan->history, history, sizeof(plan->history));
        plan->number++;
    }
    unlock(channel);
    if (!same)
        raise_event(channel->halt);
}

void channel_tell(struct channel *channel, uint64_t position, int64_t tag, const uint8_t (*keys)[16],
                  size_t count)
{
    struct hint *hint = machine_alloc(sizeof(*hint));
    bool wanted;

    hint->first = hint->last = position;
    hint->tag = tag;
    if (count <= HINT_MAX_KEYS) {
        hint->flags = HINT_KEYS_COMPLETE;
        hint->key_count = count;
        if (count > 0)
            memcpy(hint->keys, keys, count * sizeof(keys[0]));
    }
    lock(channel);
    wanted = channel->plan.kind != BUS_CHANNEL_OFF;
    if (wanted)
        merge(channel, hint);
    unlock(channel);
    free(hint);
    if (wanted)
        raise_event(channel->wake);
}

void channel_tell_again(struct channel *channel, uint64_t position, int64_t tag)
{
    bool wanted;

    lock(channel);
    wanted = channel->up;
    if (wanted) {
        channel->stats.hints_missed++;
        channel->again = (struct cursor_mark){.position = position, .tag = tag};
        if (channel->again_us == BELL_NEVER)
            channel->again_us = machine_now_us() + (int64_t)(AGAIN_SPREAD_US * machine_uniform());
    }
    unlock(channel);
    if (wanted)
        raise_event(channel->wake);
}

void channel_read_stats(struct channel *channel, struct bus_stats *stats)
{
    const struct bus_stats *mine = &channel->stats;

    lock(channel);
    stats->channel_wanted = channel->plan.kind != BUS_CHANNEL_OFF;
    stats->channel_up = channel->up;
    stats->channel_reconnects = mine->channel_reconnects > 0 ? mine->channel_reconnects - 1 : 0;
    stats->channel_errors = mine->channel_errors;
    stats->hints_sent = mine->hints_sent;
    stats->hints_received = mine->hints_received;
    stats->hints_missed = mine->hints_missed;
    stats->hints_reannounced = mine->hints_reannounced;
    stats->hint_lag_us = mine->hint_lag_us;
    stats->since_heard_ms = channel->up ? (machine_now_us() - channel->heard_us) / 1000 : -1;
    stats->hints_dropped_mac = mine->hints_dropped_mac;
    stats->hints_dropped_size = mine->hints_dropped_size;
    stats->hints_dropped_history = mine->hints_dropped_history;
    stats->hints_dropped_version = mine->hints_dropped_version;
    stats->hints_dropped_queue = mine->hints_dropped_queue;
    unlock(channel);
}
