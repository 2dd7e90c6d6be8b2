#pragma once

/*
 * upstream_head - the head of the request as the upstream gets it: the client's lines without those that are
 * meant for one connection only, and what the gateway adds (data-plane reference, 5.3 to 5.5).
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"

struct exchange;
struct origin;
struct settings;

struct upstream_head {
    const struct settings *settings;
    const struct origin *origin;
    struct str path;   /* escaped */
    struct str query;  /* behind '?'; at == NULL: none */
    struct str host;   /* a plugin may have set another one, as a line */
    struct str prefix; /* what strip_path took off; at == NULL: nothing */
    struct str request_id;
    struct str body; /* at == NULL: none */
};

/* "websocket" when the client asks for that, in whatever spelling; at == NULL otherwise: nothing else is
 * passed, and HTTP/1.0 knows no upgrades (RFC 9110, section 7.8). */
struct str upstream_head_upgrade(struct exchange *exchange);
/* Request line, header lines, empty line; in the exchange's memory. */
struct str upstream_head_write(struct exchange *exchange, const struct upstream_head *head);
/* Path and query in a head that was written here. */
struct str upstream_head_uri(struct str head);
