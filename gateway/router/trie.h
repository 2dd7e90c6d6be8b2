#pragma once

/*
 * trie - candidates by the beginning of their path. Persistent: a change copies the nodes on one way down,
 * those that others hold too.
 *
 * Threads: making and freeing: the making thread. Walking: any.
 */

#include "gateway/router/rule.h"

struct trie; /* NULL is the empty one */

/*
 * The candidate into *trie (a reference to its rule is taken), or out of it again; false: it was not there.
 * The reference in *trie goes over to what it becomes: what only *trie holds is changed in place.
 */
void trie_put(struct trie **trie, const struct candidate *candidate);
bool trie_take_out(struct trie **trie, const struct candidate *candidate);
struct trie *trie_ref(struct trie *trie);
void trie_unref(struct trie *trie);

/* The best of all that match is kept in *best (NULL: none so far) and described in *match. */
void trie_match(const struct trie *trie, const struct rule_query *query, const struct candidate **best,
                struct router_match *match);
