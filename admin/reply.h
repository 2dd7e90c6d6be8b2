#pragma once

/*
 * reply - an answer becomes a response: CORS, tokens, position. Reference 1.2.
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/str.h"

struct admin;
struct answer;
struct exchange;

/* Of an answer in pieces only the head, see stream.h. `answer` must stay until the exchange ends, which it
 * may have done on return. */
void reply_send(const struct admin *admin, struct exchange *exchange, const struct answer *answer,
                int64_t received_us, bool is_status_api);

/*
 * The value of Access-Control-Allow-Origin. gui_url: scheme://host[:port] and more, or NULL; origin: the
 * request's, or STR_NONE. The result is borrowed from them.
 */
struct str reply_origin(const char *gui_url, struct str origin);
