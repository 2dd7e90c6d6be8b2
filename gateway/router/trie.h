#pragma once

/*
 * trie - candidates by the beginning of their path. Persistent: a change copies the nodes on one way down.
 *
 * Threads: making and freeing: the making thread. Walking: any.
 */

#include "gateway/router/rule.h"

struct trie; /* NULL is the empty one */

/* `trie` with the candidate in it (a reference to its rule is taken), or with it out again. */
struct trie *trie_with(const struct trie *trie, const struct candidate *candidate);
struct trie *trie_without(const struct trie *trie, const struct candidate *candidate);
struct trie *trie_ref(struct trie *trie);
void trie_unref(struct trie *trie);

/* The best of all that match is kept in *best (NULL: none so far) and described in *match. */
void trie_match(const struct trie *trie, const struct router_query *query, const struct candidate **best,
                struct router_match *match);
