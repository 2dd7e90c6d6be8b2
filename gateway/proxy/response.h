#pragma once

/*
 * response - what goes back to the client: answers of the gateway's own, and the headers it adds to every one
 * (data-plane reference, 4 and 5).
 *
 * Each of the functions that send ends with the exchange possibly gone: make it the last call.
 *
 * Threads: the exchange's loop.
 */

#include "gateway/base/str.h"

struct headers;
struct request;

/* Whose error it is decides about the format for clients that do not say what they accept (4.2). */
enum response_source {
    RESPONSE_OF_GATEWAY, /* routing, balancing, plugins: JSON */
    RESPONSE_OF_ENGINE,  /* a broken request, a failed upstream: the request's own type, else a setting */
};

/* Makes the error in request->chain.answer, where headers may be added; response_send() follows. */
void response_make_error(struct request *request, enum response_source source, int status,
                         const char *message);
/* Makes and sends it. message NULL: the usual one. */
void response_error(struct request *request, enum response_source source, int status, const char *message);
/* Sends what stands in request->chain.answer. */
void response_send(struct request *request);
/* The header_filter phase, and the gateway's headers into request->chain.answer. */
void response_dress(struct request *request);
