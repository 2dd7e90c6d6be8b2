/*
 * question - see question.h.
 *
 * A server that resolves sends aliases and records together. One that has only the alias is asked again for
 * the name behind it, unless it says with a SOA record that nothing is there.
 */

#include "gateway/dns/question.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct question {
    struct name_servers *servers;
    enum dns_type type;
    question_done_fn done;
    void *arg;
    int hops;
    int64_t ttl_s; /* the shortest of the aliases so far */
    char name[DNS_NAME_SIZE];
};

static void on_reply(void *arg, int status, int timeouts, unsigned char *bytes, int size);

static void send_query(struct question *question)
{
    ares_query(question->servers->channel, question->name, ns_c_in, (int)question->type, on_reply, question);
}

static void end(struct question *question, enum dns_outcome outcome, const struct reply *reply,
                const char *why)
{
    question->done(question->arg, outcome, reply, why);
    free(question);
}

static void follow(struct question *question, const struct reply *reply)
{
    if (++question->hops > REPLY_MAX_ALIASES) {
        end(question, DNS_FAILED, NULL, "aliases without end");
        return;
    }
    memcpy(question->name, reply->name, sizeof(question->name));
    question->ttl_s = reply->ttl_s;
    send_query(question);
}

static void on_message(struct question *question, const unsigned char *bytes, size_t size)
{
    struct reply reply = {.type = question->type};
    const char *why = NULL;

    if (!reply_read(bytes, size, question->name, &reply, &why)) {
        end(question, DNS_FAILED, NULL, why);
        return;
    }
    if (question->ttl_s < reply.ttl_s)
        reply.ttl_s = question->ttl_s;
    if (reply.count > 0 || (reply.type == DNS_CNAME && reply.aliased))
        end(question, DNS_FOUND, &reply, NULL);
    else if (reply.aliased && !reply.final)
        follow(question, &reply);
    else
        end(question, DNS_NOT_FOUND, NULL, NULL);
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *bytes, int size)
{
    struct question *question = arg;

    (void)timeouts;
    switch (status) {
    case ARES_SUCCESS:
        on_message(question, bytes, (size_t)size);
        break;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        end(question, DNS_NOT_FOUND, NULL, NULL);
        break;
    default:
        end(question, DNS_FAILED, NULL, ares_strerror(status));
    }
}

void question_ask(struct name_servers *servers, const char *name, enum dns_type type, question_done_fn done,
                  void *arg)
{
    struct question *question = mem_zalloc(sizeof(*question));

    *question =
        (struct question){.servers = servers, .type = type, .done = done, .arg = arg, .ttl_s = INT32_MAX};
    memcpy(question->name, name, strnlen(name, sizeof(question->name) - 1));
    send_query(question);
}
