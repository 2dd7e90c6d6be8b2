#pragma once

/*
 * steps - what happens to a request, in order: the table in steps.c.
 *
 * Threads: the exchange's loop.
 */

struct request;

/* From the step where the request stands, until one waits or answers. The request may be gone on return. */
void steps_run(struct request *request);
