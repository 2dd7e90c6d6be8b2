#pragma once

/*
 * rule - a route made ready for matching: its patterns compiled, its rank worked out.
 *
 * A candidate is a rule with one of its paths. Candidates are what the tries hold; a rule lives as long as
 * its route, which is counted by its holders.
 *
 * Threads: making and freeing: the making thread. Matching: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/model/pattern.h"
#include "gateway/router/router.h"

struct rule;

/* A query, and what is worked out of it once. */
struct rule_query {
    const struct router_query *asked;
    uint32_t method; /* method_bit() */
};

struct candidate {
    struct rule *rule;
    size_t path_index;   /* of route->paths; SIZE_MAX: the rule has none */
    struct str prefix;   /* where it stands in the trie: the path, or the literal beginning of a pattern */
    pcre2_code *pattern; /* NULL: a prefix path */
};

struct rule {
    uint32_t rank;    /* criteria 1 to 3 of the reference's 1.4, packed; larger wins */
    uint32_t methods; /* set of method_bit(); 0: any */
    bool has_more;    /* conditions beside host, path and method, or methods without a bit */
    struct routed *routed;
    const struct route *route;
    pcre2_code **header_patterns; /* one per header value, NULL where it is no pattern; NULL: none at all */
    size_t candidate_count;
    struct candidate candidates[];
};

/* Of a route that has none yet, which owns it. false with err: a pattern does not compile. */
bool rule_make(struct routed *routed, struct err *err) MUST_CHECK;
void rule_free(struct rule *rule);
/* Of its route. */
struct rule *rule_ref(struct rule *rule);
void rule_unref(struct rule *rule);

/* Well-known methods have a bit each; 0: another one. */
uint32_t method_bit(struct str method);

/* a before b in precedence? A strict order. */
bool candidate_precedes(const struct candidate *a, const struct candidate *b);
/* Everything but the host; on true `match` is filled. */
bool candidate_matches(const struct candidate *candidate, const struct rule_query *query,
                       struct router_match *match);
