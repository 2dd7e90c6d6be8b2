#pragma once

/*
 * relay - asks the upstream, again elsewhere when that is allowed, and passes its answer on as it comes
 * (data-plane reference, 6.3).
 *
 * Threads: the exchange's loop.
 */

struct request;

/* The address or addresses are known. Whatever happens, the client gets an answer. */
void relay_start(struct request *request);
