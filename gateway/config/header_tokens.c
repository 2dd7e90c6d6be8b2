/*
 * header_tokens - one row per word.
 */

#include "gateway/config/header_tokens.h"

#include "gateway/base/str.h"

static const struct {
    const char *word;
    unsigned bits;
} words[] = {
    /* clang-format off */
    {"server_tokens",           HEADER_SERVER | HEADER_VIA},
    {"latency_tokens",          HEADER_PROXY_LATENCY | HEADER_UPSTREAM_LATENCY | HEADER_RESPONSE_LATENCY | HEADER_ADMIN_LATENCY},
    {"Server",                  HEADER_SERVER},
    {"Via",                     HEADER_VIA},
    {"X-Kong-Proxy-Latency",    HEADER_PROXY_LATENCY},
    {"X-Kong-Upstream-Latency", HEADER_UPSTREAM_LATENCY},
    {"X-Kong-Response-Latency", HEADER_RESPONSE_LATENCY},
    {"X-Kong-Admin-Latency",    HEADER_ADMIN_LATENCY},
    {"X-Kong-Upstream-Status",  HEADER_UPSTREAM_STATUS},
    {"X-Kong-Request-Id",       HEADER_REQUEST_ID},
    /* clang-format on */
};

unsigned header_token_of(const char *word)
{
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_equal_nocase(str_of(word), str_of(words[i].word)))
            return words[i].bits;
    return 0;
}

unsigned header_tokens(const struct config_list *list)
{
    unsigned bits = 0;

    if (list->count > 0 && str_equal_nocase(str_of(list->at[0]), STR("off")))
        return 0;
    for (size_t i = 0; i < list->count; i++)
        bits |= header_token_of(list->at[i]);
    return bits;
}
