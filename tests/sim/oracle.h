#pragma once

/*
 * oracle - knows every commit, and whether what a node shows is new enough. Each check ends the process when
 * an invariant of the consistency reference does not hold.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/cache/cache.h"

struct commit;
struct fill;
struct node;
struct request;
struct routing;
struct row;
struct world;

/* I1, I2, I7, I9, 6.1: everything the node could serve now. I6, I14: snapshot and bounds. I3: how far it has
 * come.
 */
void oracle_check_node(struct node *node);
/* I1, I6, I7, I9, age and purges: what a request was told. */
void oracle_check_answer(const struct request *request, enum cache_status status, const struct row *row);
/* I4, I5: an answer of the primary that nothing speaks against. */
bool oracle_must_accept(const struct node *node, const struct fill *fill);
/* I10: what the node reports to writers, it has done. */
void oracle_check_report(const struct node *node, uint64_t position, int64_t tag);
/* I11: after a good poll no fence asks for more than what has been applied, or no answer could pass it. */
void oracle_check_fences(const struct node *node);
/* The bell: polls that others asked for stay below its rate. */
void oracle_check_bell(struct node *node);

/* I4: what no hint may move. */
struct oracle_facts {
    uint64_t applied, cursor_applied, base, oldest;
    int64_t tag;
    uint64_t pend_count;
    const struct routing *routing;
    uint64_t fences[16];
    bool frozen;
};
void oracle_note_facts(const struct node *node, struct oracle_facts *facts);
void oracle_compare_facts(const struct node *node, const struct oracle_facts *before);

/* After faults have ended and everything has come to rest: I3, I5, I11. */
void oracle_check_rest(const struct world *world);
