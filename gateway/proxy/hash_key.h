#pragma once

/*
 * hash_key - what of a request consistent hashing goes by (data-plane reference, 7.3).
 *
 * Threads: the exchange's loop; results are in its memory.
 */

#include "gateway/base/str.h"

struct request;
struct upstream;

struct hash_key {
    struct str text;       /* empty when the request has nothing of what is asked for */
    struct str set_cookie; /* the client is given a cookie to come back with; at == NULL: none */
};

void hash_key_find(struct request *request, const struct upstream *upstream, struct hash_key *key);
