#pragma once

/*
 * choice - where the next try of a request goes: to the address of a service, to its addresses in turn, or to
 * a peer of the upstream that the service's host names; and what became of it, for the peer's health.
 *
 * Threads: the request's loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"
#include "gateway/base/uuid.h"
#include "gateway/http/client.h"

struct peer;
struct request;

struct choice {
    struct peer *peer;  /* of the try that runs; held. NULL: none, or no upstream */
    struct uuid target; /* whose peer it is */
    int64_t began_us;
    size_t turn; /* of the service's addresses, the next try's */
    int waits;   /* for names of targets, so far */
    uint32_t hash;
    bool hashed;
    struct str set_cookie;     /* for the answer; at == NULL: none */
    const struct peer **tried; /* in the exchange's memory */
    size_t tried_count, tried_room;
    struct str name; /* of the host, without port; in the exchange's memory or the hop's */
    struct str host; /* as a Host header has it */
    bool numeric;    /* the name is an address: nothing to call it in a handshake */
};

enum choice_result {
    CHOICE_MADE,
    CHOICE_WAIT,    /* for this name: *awaited. Only without a try before */
    CHOICE_NO_NAME, /* no target's name has an address */
    CHOICE_NO_PEER, /* none that may be asked */
};

/* Fills the address of the try and the names above. One that was made ends with choice_end(). */
enum choice_result choice_make(struct request *request, struct str *awaited);
void choice_failed(struct request *request, enum client_failure failure);
void choice_answered(struct request *request, int status);
/* The try outlives the request: its peer, for the caller to end; NULL: there is none. */
struct peer *choice_give(struct request *request);
/* Fine when there is none. */
void choice_end(struct request *request);
