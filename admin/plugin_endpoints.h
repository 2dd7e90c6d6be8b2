#pragma once

/*
 * plugin_endpoints - endpoints that plugins offer beside the Admin API's own, as rows of their schemas.
 *
 * Threads: the loop; plugin_endpoints_each() and _find() also a job.
 */

#include "admin/request.h"
#include "gateway/model/schema.h"

/* Of plugins that are enabled, one after the other. */
void plugin_endpoints_each(const struct schemas *schemas,
                           void (*row)(void *arg, enum method method, const struct plugin_endpoint *endpoint),
                           void *arg);
/* The one that a request asks for with this method; NULL: there is none. */
const struct plugin_endpoint *plugin_endpoints_find(const struct request *request, enum method method);
/* Handler of all of them. */
void plugin_endpoint_answer(struct request *request);
