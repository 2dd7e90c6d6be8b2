#pragma once

/*
 * openapi - the Admin API as an OpenAPI 3.1 document, made of the schemas and the table of routes.
 *
 * Threads: any; pure.
 */

#include <stddef.h>

struct schemas;

/* JSON text; the caller owns it. The schemas never change, so once is enough for a process. */
char *openapi_write(const struct schemas *schemas, size_t *length);
