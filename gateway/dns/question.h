#pragma once

/*
 * question - one name and one type asked for, followed along aliases from server to server.
 *
 * Threads: the resolver's.
 */

#include "gateway/dns/name_servers.h"
#include "gateway/dns/reply.h"

enum dns_outcome {
    DNS_FOUND,
    DNS_NOT_FOUND, /* the servers say that there is no such record */
    DNS_FAILED,    /* they say nothing, or nothing that makes sense */
};

/* Once per question, maybe from inside question_ask(). reply: when found. why: when failed, a literal. */
typedef void (*question_done_fn)(void *arg, enum dns_outcome outcome, const struct reply *reply,
                                 const char *why);

/* For CNAME the reply has the name behind the alias. */
void question_ask(struct name_servers *servers, const char *name, enum dns_type type, question_done_fn done,
                  void *arg);
