#pragma once

/*
 * peer_text - addresses of peers as people write them: "10.0.0.7:80", "[fd00::7]:80".
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/balancer/peer.h"
#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum {
    PEER_TEXT_SIZE = 64
};

/* Returns `text`. */
char *peer_text(const struct peer_address *address, char text[PEER_TEXT_SIZE]);
/* Without the port; IPv6 in brackets. Returns `text`. */
char *peer_text_host(const struct peer_address *address, char text[PEER_TEXT_SIZE]);
int peer_text_port(const struct peer_address *address);
/* IPv6 with or without brackets; the port has to be there. */
bool peer_text_parse(struct str text, struct peer_address *address) MUST_CHECK;
