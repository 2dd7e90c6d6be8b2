#pragma once

/*
 * health_word - what a node says to all of them when somebody has set the health of a target by hand:
 * "health:up:" or "health:down:", and in base64 the id of the target, with an address or without.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/balancer/peer.h"
#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

enum {
    HEALTH_WORD_SIZE = 64 /* as a word of the log (BUS_ENTITY_NAME_SIZE) */
};

struct health_word {
    struct uuid target;
    bool has_address;
    struct peer_address address; /* the only one that is meant */
    bool healthy;
};

void health_word_format(const struct health_word *word, char text[HEALTH_WORD_SIZE]);
/* False: it is another word. There is one text of each word only. */
bool health_word_parse(struct str text, struct health_word *word) MUST_CHECK;
