#pragma once

/*
 * name_servers - c-ares: the name servers, and what resolv.conf says about names.
 *
 * Threads: opened and closed by main; otherwise the resolver's thread only.
 */

#include <stdbool.h>
#include <stddef.h>

#include <ares.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/dns/reply.h"

struct name_servers {
    ares_channel channel;
    char **search; /* domains that are tried behind a name */
    size_t search_count;
    int ndots;    /* a name with as many dots is tried as it is first */
    bool closing; /* questions that end now must not be followed by others */
};

/* servers: "ip[:port],...", NULL: those of resolv.conf. timeout_ms: of the first of two tries. */
bool name_servers_open(const char *servers, int timeout_ms, struct name_servers *to,
                       struct err *err) MUST_CHECK;
/* Questions under way fail. {0} is fine. */
void name_servers_close(struct name_servers *servers);

/* One wait of at most wait_ms: for `bell` to be readable, an answer, or a time-out, which are attended to. */
void name_servers_wait(struct name_servers *servers, int bell, int wait_ms);
