#pragma once

/*
 * min_position - `Freshet-Min-Position: <what a Freshet-Position said>`: the request is looked at once this
 * node has applied that change, whoever has made it (consistency reference, 8). After two seconds 504.
 *
 * Threads: the loop.
 */

struct request;

/* Answers it, starts its job, or makes it wait; as routes_answer(). */
void min_position_admit(struct request *request);
