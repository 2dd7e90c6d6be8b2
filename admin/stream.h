#pragma once

/*
 * stream - an answer whose body is made and sent piece by piece (answer.h): one piece per turn of the loop,
 * the next when the client has taken the one before. So neither memory nor the loop's time depends on how
 * large the body is.
 *
 * Threads: the loop.
 */

struct request;

/* The head has been begun (reply.h). The request may be gone on return. */
void stream_start(struct request *request);
