/*
 * redis_link - see redis_link.h.
 *
 *     ASLEEP --command--> NAMING --> DIALLING --> GREETING --> READY
 *        ^                   \__________\____________\__________/ any failure
 *        |                                                |
 *        +---nobody asked meanwhile--- RESTING <----------+   and from there to NAMING again
 *
 * Commands given before the first connection stands wait for it. Once one has failed, they are refused until
 * there is another: who would wait for a dead server waits for nothing.
 */

#include "gateway/chain/redis_link.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "gateway/base/json_write.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/dns/resolver.h"
#include "gateway/http/raw_client.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

enum {
    COMMANDS_MAX = 16 * 1024,
    BYTES_MAX = 8 * 1024 * 1024,
    FIRST_REST_MS = 100,
    LONGEST_REST_MS = 5000,
    REFUSAL_TELL_MS = 10000 /* some commands can be refused and others not, as by a replica */
};

enum link_state {
    LINK_ASLEEP,   /* nothing; the next command wakes it */
    LINK_NAMING,   /* is_asking; timer: its deadline */
    LINK_DIALLING, /* client; timer: likewise */
    LINK_GREETING, /* client, greetings > 0; timer: likewise */
    LINK_READY,    /* client; timer: of the oldest command, if there is one */
    LINK_RESTING   /* timer: the next try */
};

struct redis_link {
    const struct redis_pool_options *options;
    struct random_sequence *chance;
    struct redis_target *target;
    enum link_state state;
    struct resolver_query query;
    bool is_asking; /* for the addresses of its name */
    size_t turn;    /* which of several addresses is next */
    struct raw_client *client;
    struct buf input;     /* an answer that is not complete */
    size_t greetings;     /* answers to what we say before anything else */
    struct list commands; /* in the order of their answers */
    size_t command_count;
    struct buf bytes; /* of commands that have not been given to the client */
    struct loop_later flush;
    struct timer timer;
    int64_t used_at_ms;
    int64_t rest_ms;         /* the longest next one */
    bool lost;               /* the last try failed: commands are refused, and the log knows */
    bool is_wanted;          /* somebody was refused since the last try began */
    int64_t refusal_told_ms; /* when the log was told of an error; 0: never */
};

static void begin(struct redis_link *link);

static void put_down(struct redis_link *link)
{
    timer_stop(&link->timer);
    if (link->is_asking)
        resolver_cancel(&link->query);
    if (link->client != NULL)
        raw_client_cancel(link->client);
    link->is_asking = false;
    link->client = NULL;
    buf_clear(&link->input);
    link->greetings = 0;
    buf_clear(&link->bytes);
}

static void refuse_all(struct redis_link *link)
{
    struct list refused;
    struct list *first;

    /* Whoever is told may ask again at once: that is not part of this. */
    list_init(&refused);
    while ((first = list_take_first(&link->commands)) != NULL)
        list_add_last(&refused, first);
    link->command_count = 0;
    while ((first = list_take_first(&refused)) != NULL) {
        struct redis_command *command = CONTAINER_OF(first, struct redis_command, link);
        command->on_reply(command, NULL);
    }
}

static void on_rested(struct timer *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);

    if (link->is_wanted)
        begin(link);
    else
        link->state = LINK_ASLEEP;
}

static void fail(struct redis_link *link, const char *why)
{
    bool was_idle = link->state == LINK_READY && link->command_count == 0;

    put_down(link);
    if (was_idle) { /* servers close what is idle: nobody has lost anything */
        link->state = LINK_ASLEEP;
        return;
    }
    if (!link->lost)
        log_warn("redis: no answers; host=%s port=%d reason=\"%s\"", link->target->host, link->target->port,
                 why);
    link->lost = true;
    link->state = LINK_RESTING;
    timer_start(link->options->loop, &link->timer,
                1 + (int64_t)(random_fraction(link->chance) * (double)link->rest_ms), on_rested);
    link->rest_ms = link->rest_ms * 2 < LONGEST_REST_MS ? link->rest_ms * 2 : LONGEST_REST_MS;
    refuse_all(link);
}

static void on_too_slow(struct timer *timer)
{
    fail(CONTAINER_OF(timer, struct redis_link, timer), "nothing in time");
}

/* ---- what is said ---- */

static void add_length(struct buf *bytes, char what, size_t length)
{
    buf_add_byte(bytes, what);
    json_add_number(bytes, (int64_t)length);
    buf_add(bytes, "\r\n", 2);
}

static void add_command(struct buf *bytes, const struct str *words, size_t count)
{
    add_length(bytes, '*', count);
    for (size_t i = 0; i < count; i++) {
        add_length(bytes, '$', words[i].len);
        buf_add_str(bytes, words[i]);
        buf_add(bytes, "\r\n", 2);
    }
}

static void on_flush(struct loop_later *later)
{
    struct redis_link *link = CONTAINER_OF(later, struct redis_link, flush);

    if (link->state == LINK_READY && link->bytes.len > 0)
        raw_client_send(link->client, &link->bytes);
}

static void on_oldest_due(struct timer *timer);

/* For the answer to the oldest command. */
static void watch_oldest(struct redis_link *link)
{
    if (list_is_empty(&link->commands)) {
        timer_stop(&link->timer);
        return;
    }
    const struct redis_command *oldest = CONTAINER_OF(link->commands.next, struct redis_command, link);
    int64_t left_ms = oldest->asked_at_ms + link->target->timeout_ms - loop_now_ms(link->options->loop);
    timer_start(link->options->loop, &link->timer, left_ms > 0 ? left_ms : 0, on_oldest_due);
}

/* It may be about a command that has been answered since: the timer is not moved for each. */
static void on_oldest_due(struct timer *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);

    if (!list_is_empty(&link->commands)) {
        const struct redis_command *oldest = CONTAINER_OF(link->commands.next, struct redis_command, link);
        if (loop_now_ms(link->options->loop) - oldest->asked_at_ms >= link->target->timeout_ms) {
            fail(link, "no answer in time");
            return;
        }
    }
    watch_oldest(link);
}

static void become_ready(struct redis_link *link)
{
    if (link->lost)
        log_notice("redis: answers again; host=%s port=%d", link->target->host, link->target->port);
    link->lost = false;
    link->rest_ms = FIRST_REST_MS;
    link->state = LINK_READY;
    watch_oldest(link);
    if (link->bytes.len > 0)
        raw_client_send(link->client, &link->bytes);
}

static void greet(struct redis_link *link)
{
    const struct redis_target *target = link->target;
    struct buf greeting = {0};
    char database[24];

    if (target->password != NULL) {
        const struct str words[] = {STR("AUTH"), str_of(target->username), str_of(target->password)};
        const struct str without_user[] = {words[0], words[2]};
        bool has_user = target->username != NULL;
        add_command(&greeting, has_user ? words : without_user, has_user ? 3 : 2);
        link->greetings++;
    }
    (void)snprintf(database, sizeof(database), "%" PRId64, target->database);
    const struct str words[] = {STR("SELECT"), str_of(database)};
    add_command(&greeting, words,
                COUNT(words)); /* also of database 0: a connection counts once it has answered */
    link->greetings++;
    raw_client_send(link->client, &greeting);
    buf_fini(&greeting);
}

/* ---- what is answered ---- */

static void tell_refusal(struct redis_link *link, struct str text)
{
    int64_t now_ms = loop_now_ms(link->options->loop);

    if (link->refusal_told_ms != 0 && now_ms - link->refusal_told_ms < REFUSAL_TELL_MS)
        return;
    log_warn("redis: refuses what it is asked; host=%s port=%d text=\"%.*s\"", link->target->host,
             link->target->port, STR_ARG(text));
    link->refusal_told_ms = now_ms;
}

static void answer(struct redis_link *link, const struct redis_reply *reply)
{
    struct redis_command *command =
        CONTAINER_OF(list_take_first(&link->commands), struct redis_command, link);
    bool good = reply->kind == REDIS_NUMBERS && reply->count == command->wanted;

    link->command_count--;
    if (!good)
        tell_refusal(link, reply->text);
    command->on_reply(command, good ? reply->numbers : NULL);
}

/* false: the link has failed. */
static bool take_reply(struct redis_link *link, const struct redis_reply *reply)
{
    char why[128];

    if (link->greetings == 0 && list_is_empty(&link->commands)) {
        fail(link, "an answer to nothing");
        return false;
    }
    if (link->greetings == 0) {
        answer(link, reply);
        return true;
    }
    if (reply->kind == REDIS_ERROR) {
        (void)snprintf(why, sizeof(why), "%.*s", STR_ARG(reply->text));
        fail(link, why);
        return false;
    }
    link->greetings--;
    if (link->greetings == 0)
        become_ready(link);
    return true;
}

/* Mostly whole answers: only what is left of the last one is kept. */
static bool on_bytes(void *arg, struct str bytes)
{
    struct redis_link *link = arg;
    struct redis_reply reply;
    bool was_kept = link->input.len > 0;
    size_t length;

    if (was_kept) {
        buf_add(&link->input, bytes.at, bytes.len);
        bytes = buf_str(&link->input);
    }
    while ((length = redis_reply_read(bytes, &reply)) != 0) {
        if (length == SIZE_MAX) {
            fail(link, "an answer that is none of Redis");
            return false;
        }
        bytes = str_part(bytes, length, bytes.len);
        if (!take_reply(link, &reply))
            return false;
    }
    if (was_kept) {
        memmove(link->input.at, bytes.at, bytes.len);
        link->input.len = bytes.len;
    } else if (bytes.len > 0) {
        buf_add(&link->input, bytes.at, bytes.len);
    }
    return true;
}

/* ---- a connection ---- */

static void on_open(void *arg)
{
    struct redis_link *link = arg;

    link->state = LINK_GREETING;
    timer_start(link->options->loop, &link->timer, link->target->timeout_ms, on_too_slow);
    greet(link);
}

static void on_end(void *arg, const char *why)
{
    struct redis_link *link = arg;

    link->client = NULL;
    fail(link, why);
}

static void dial(struct redis_link *link, const struct sockaddr_storage *address)
{
    static const struct raw_client_callbacks callbacks = {on_open, on_bytes, on_end};
    const struct redis_target *target = link->target;
    struct client_tls tls = link->options->tls;
    struct client_request request = {
        .address = *address,
        .address_length =
            address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
        .tls = target->tls ? &tls : NULL,
        .write_ms = target->timeout_ms,
    };

    tls.verify = target->tls_verify;
    tls.server_name = str_of(target->server_name != NULL ? target->server_name : target->host);
    tls.identity = NULL;
    link->state = LINK_DIALLING;
    timer_start(link->options->loop, &link->timer, target->timeout_ms, on_too_slow);
    link->client = raw_client_start(link->options->clients, &request, &callbacks, link);
}

static void on_named(struct resolver_query *query, const struct resolver_answer *answer)
{
    struct redis_link *link = CONTAINER_OF(query, struct redis_link, query);

    link->is_asking = false;
    if (answer->count == 0) {
        fail(link, "its name has no address");
        return;
    }
    const struct resolver_address *found = &answer->addresses[resolver_answer_pick(answer, link->turn++)];
    struct sockaddr_storage address = found->at;
    (void)network_set_port(&address, found->port != 0 ? found->port : link->target->port);
    dial(link, &address);
}

static void begin(struct redis_link *link)
{
    struct sockaddr_storage address = {0};

    link->is_wanted = false;
    if (network_address(str_of(link->target->host), &address)) {
        (void)network_set_port(&address, link->target->port);
        dial(link, &address);
        return;
    }
    link->state = LINK_NAMING;
    timer_start(link->options->loop, &link->timer, link->target->timeout_ms, on_too_slow);
    link->is_asking = true;
    link->query =
        (struct resolver_query){.loop = link->options->loop, .use = RESOLVER_SERVICE, .on_done = on_named};
    resolver_ask(link->options->resolver, str_of(link->target->host), &link->query);
}

/* ---- for the pool ---- */

struct redis_link *redis_link_new(const struct redis_pool_options *options, struct random_sequence *chance,
                                  const struct redis_target *target)
{
    struct redis_link *link = mem_zalloc(sizeof(*link));

    link->options = options;
    link->chance = chance;
    link->target = redis_target_copy(target);
    link->rest_ms = FIRST_REST_MS;
    link->flush.run = on_flush;
    list_init(&link->commands);
    return link;
}

void redis_link_free(struct redis_link *link)
{
    put_down(link);
    loop_forget_later(link->options->loop, &link->flush);
    refuse_all(link);
    buf_fini(&link->bytes);
    buf_fini(&link->input);
    redis_target_free(link->target);
    free(link);
}

const struct digest *redis_link_digest(const struct redis_link *link)
{
    return &link->target->digest;
}

int64_t redis_link_used_at_ms(const struct redis_link *link)
{
    return link->used_at_ms;
}

bool redis_link_is_idle(const struct redis_link *link)
{
    return list_is_empty(&link->commands);
}

bool redis_link_send(struct redis_link *link, const struct str *words, size_t word_count,
                     struct redis_command *command)
{
    size_t unsent = link->bytes.len + (link->client != NULL ? raw_client_unsent(link->client) : 0);

    link->used_at_ms = loop_now_ms(link->options->loop);
    if (link->state == LINK_ASLEEP)
        begin(link);
    if (link->lost || link->command_count >= COMMANDS_MAX || unsent >= BYTES_MAX) {
        link->is_wanted = true;
        return false;
    }
    command->asked_at_ms = link->used_at_ms;
    list_add_last(&link->commands, &command->link);
    link->command_count++;
    add_command(&link->bytes, words, word_count);
    if (link->state != LINK_READY)
        return true; /* leaves with the connection, whose deadline runs */
    if (!timer_is_running(&link->timer))
        watch_oldest(link);
    loop_run_later(link->options->loop, &link->flush);
    return true;
}
