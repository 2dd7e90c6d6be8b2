#pragma once

/*
 * cache_key - under which key the answer to a request is stored (plugin reference, 16): who asks on which
 * route, method, path, arguments in any order, chosen headers. With preserve_host the host too, which the
 * upstream then sees: a client must not choose for others what comes from it.
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>

#include "gateway/chain/answer_cache.h"
#include "gateway/plugins/setting_list.h"

struct chain;
struct evp_md_st; /* OpenSSL's EVP_MD */

struct cache_key_rules {
    struct setting_list arguments; /* names; none: all count */
    struct setting_list headers;   /* in order of their names */
    bool ignore_case;              /* of the path */
    struct evp_md_st *sha256;      /* fetched once: looking for it costs more than a digest */
};

/* As `config` says. */
void cache_key_rules_init(struct cache_key_rules *rules, const cJSON *config);
void cache_key_rules_fini(struct cache_key_rules *rules);
void cache_key_make(struct chain *chain, const struct cache_key_rules *rules, struct answer_key *key);
