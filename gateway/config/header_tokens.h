#pragma once

/*
 * header_tokens - the words of `headers` and `headers_upstream`: which headers the gateway adds (data-plane
 * reference, 5.1).
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/config/config.h"

enum header_token {
    HEADER_SERVER = 1 << 0,
    HEADER_VIA = 1 << 1,
    HEADER_PROXY_LATENCY = 1 << 2,
    HEADER_UPSTREAM_LATENCY = 1 << 3,
    HEADER_RESPONSE_LATENCY = 1 << 4,
    HEADER_ADMIN_LATENCY = 1 << 5,
    HEADER_UPSTREAM_STATUS = 1 << 6,
    HEADER_REQUEST_ID = 1 << 7,
};

/* The bits a word stands for; 0: there is no such word. */
unsigned header_token_of(const char *word);
/* Of a whole list; "off" in front is none. */
unsigned header_tokens(const struct config_list *list);
