#pragma once

/*
 * origin - where a request came from and how it was addressed, as the client knows it: behind proxies that
 * are trusted, what they say; otherwise what the connection shows (data-plane reference, 5.3).
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>

#include "gateway/base/str.h"

struct exchange;
struct settings;

struct origin {
    bool trusted;       /* the peer is one of trusted_ips */
    struct str address; /* the client's real one */
    struct str scheme;  /* X-Forwarded-Proto of a trusted peer, else the connection's */
};

void origin_read(struct exchange *exchange, const struct settings *settings, struct origin *origin);

/* An authority without its port. */
struct str origin_host_of(struct str authority);
/* The host the client meant, without a port; lower case unless a trusted peer said so. In the exchange's
 * memory. When it named none: the address it came to. */
struct str origin_host(struct exchange *exchange, const struct origin *origin);
