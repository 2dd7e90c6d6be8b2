#pragma once

/*
 * routes - the table of endpoints that are not entities, and which handler a path and method lead to.
 *
 * The endpoints of entities are not listed: crud derives them from the schemas.
 * Threads: the loop.
 */

#include "admin/request.h"

/* Fills request->answer, or starts a job (request->is_running). request->path is parsed. */
void routes_answer(struct request *request);
/* Every method of every row of the Admin API, also those that /endpoints keeps to itself. */
void routes_each(void (*row)(void *arg, enum method method, const char *form), void *arg);
