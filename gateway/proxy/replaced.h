#pragma once

/*
 * replaced - an answer that a plugin's header_filter has put in the place of the upstream's.
 *
 * What the upstream still sends is dropped. If that is little and comes at once, its connection is kept;
 * else it is closed. Whatever becomes of the upstream now, the client gets the plugin's answer.
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>

#include "gateway/base/str.h"

struct client_head;
struct request;

/* From on_head, after response_dress(). */
void replaced_begin(struct request *request, const struct client_head *head);
/* From on_body. The exchange may be gone on return. */
void replaced_drop(struct request *request, struct str bytes, bool last);
/* Nothing further is to be dropped: the client gets its answer. The exchange may be gone on return. */
void replaced_send(struct request *request);
