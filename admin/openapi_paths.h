#pragma once

/*
 * openapi_paths - the operations of the Admin API: each path with each method it offers, and what comes of
 * it. Entities follow from the schemas; everything else is a row of routes.c and its rows in
 * openapi_answers.c.
 *
 * Threads: any; pure.
 */

#include <cjson/cJSON.h>

#include "admin/crud.h"

/* Rows of openapi_answers.c, METHOD_OTHER being whichever; a path that is not told of there is still listed,
 * without words. */
struct openapi_operation {
    enum method method;
    const char *form;    /* as in routes.c */
    const char *summary; /* one line */
};
struct openapi_argument {
    const char *form; /* for every method of it */
    const char *name; /* in the query */
    const char *schema, *meaning;
};
struct openapi_answer {
    enum method method;
    const char *form;
    int status;         /* 0: the body that is sent */
    const char *schema; /* JSON with ' for "; NULL: no body */
    const char *type;   /* of content; NULL: application/json */
};
extern const struct openapi_operation openapi_operations[]; /* form NULL last, as in those below */
extern const struct openapi_argument openapi_arguments[];
extern const struct openapi_answer openapi_answers[];

void openapi_add_paths(cJSON *paths, const struct schemas *schemas);
/* Components "responses", "parameters", "headers" and "securitySchemes", and the schemas that belong to no
 * entity. */
void openapi_add_shared(cJSON *components);
