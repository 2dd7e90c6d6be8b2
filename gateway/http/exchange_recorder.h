#pragma once

/*
 * exchange_recorder - an exchange without a socket: what is answered is written down. For tests of everything
 * that handles exchanges.
 *
 * Threads: the caller's; `loop` may be NULL if what is tested needs none.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"
#include "gateway/http/exchange.h"

struct exchange_recording {
    int answers;            /* replies and begins: more than one is a mistake of the handler */
    int status;             /* 0: no answer yet */
    struct str reason;      /* at == NULL: the usual one */
    struct headers headers; /* as the handler gave them */
    bool close;
    bool complete; /* a reply, or the last bytes were sent */
    bool broken;
    struct buf body;
    bool watched;
};

/* A copy of *request, with room for more headers; members that are not there stay so. Memory: until _free().
 */
struct exchange *exchange_recorder_new(struct loop *loop, const struct exchange_request *request);
/* Ends the exchange: whoever registered is told. */
void exchange_recorder_free(struct exchange *exchange);

/* Borrowed until _free(). */
const struct exchange_recording *exchange_recorder_recording(const struct exchange *exchange);
/* What was sent last has left: calls on_sent if it is wanted. False: nothing was waiting. */
bool exchange_recorder_sent(struct exchange *exchange);
/* The client goes away, if it is being watched. */
void exchange_recorder_leave(struct exchange *exchange);
