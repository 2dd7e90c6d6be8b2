#pragma once

/*
 * sink_url - the URL of an HTTP sink, as settings have it.
 *
 * Threads: any; pure. Parts are part of the URL.
 */

#include "gateway/base/str.h"

/* scheme://user@rest */
struct sink_url {
    struct str scheme; /* "://" included; empty if there is none */
    struct str user;   /* empty if there is none */
    struct str rest;   /* '@' not included */
};
struct sink_url sink_url_split(const char *url);
/* What the log may show: the host with its port. Elsewhere a password can stand, or a path that is one. */
struct str sink_url_shown(const char *url);
