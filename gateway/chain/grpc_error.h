#pragma once

/*
 * grpc_error - errors of the gateway's own for clients that speak gRPC: the code and the message are headers,
 * there is no body (data-plane reference, 4.4).
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>

struct exchange;
struct exchange_answer;

enum {
    GRPC_CANCELED = 1
};

/* Is it HTTP/2 with a content type of gRPC's? */
bool grpc_is_spoken(struct exchange *exchange);
/* Makes the answer. message NULL: the name of the code. */
void grpc_error(struct exchange *exchange, struct exchange_answer *answer, int status, const char *message);
/* With a code that no HTTP status stands for; the status is 200. */
void grpc_error_code(struct exchange *exchange, struct exchange_answer *answer, int code,
                     const char *message);
