#pragma once

/*
 * crud - create, read, update and delete of any entity, and the paths at which it can be found.
 *
 * Everything comes from struct schema: nothing here knows an entity by name.
 *
 *   /services                         a collection
 *   /services/{id or name}            an entity
 *   /services/{..}/routes[/{..}]      what refers to a parent
 *   /upstreams/{..}/targets/all       all of them in the order of ids
 *   /routes/{..}/service              the parent, through its child
 *
 * Threads: crud_find() and crud_answer(): the loop; the rest of the work is store jobs.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "admin/path.h"
#include "gateway/base/str.h"

struct answer;
struct digest;
struct request;
struct schema;
struct schemas;

enum method {
    METHOD_GET,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER, /* nothing is offered under it */
};
enum {
    METHOD_OFFERED_COUNT = METHOD_DELETE + 1
};

/* What a URL says about one entity. Texts are borrowed from the path. */
struct crud_key {
    const char *field; /* "id" or the endpoint key */
    struct str text;
    const struct schema *through; /* the endpoint key is that of a child of this schema; NULL: its own */
};

enum crud_kind {
    CRUD_COLLECTION,
    CRUD_ENTITY,
    CRUD_NESTED_COLLECTION,
    CRUD_NESTED_ENTITY,
    CRUD_PARENT, /* an entity through the one that refers to it */
};

struct crud_target {
    enum crud_kind kind;
    const struct schema *schema; /* of the entities acted upon */
    struct crud_key key;         /* ENTITY, NESTED_ENTITY */
    const struct schema *other;  /* NESTED_*: the parent's; PARENT: the child's */
    struct crud_key other_key;
    struct str other_raw;     /* the parent's key as it was sent */
    bool is_by_id;            /* NESTED_COLLECTION: of a list that is otherwise newest first; read only */
    const char *foreign_name; /* the field that leads from child to parent; NULL: not nested */
};

/* What can be done there; of the parent through its child also DELETE, which then says that it may not. */
bool crud_offers(enum crud_kind kind, bool is_by_id, enum method method);
bool crud_find(const struct schemas *schemas, const struct path *path, struct crud_target *target);
/* One form of path, like "/services/{services}/routes". */
struct crud_template {
    const char *text; /* until `add` returns */
    enum crud_kind kind;
    const struct schema *schema; /* of the entities acted upon */
    const struct schema *other;  /* as in struct crud_target */
    bool is_by_id;
    bool is_closed; /* listed, as clients know it; nothing is there */
};
/* Calls `add` with every template. */
void crud_templates(const struct schemas *schemas,
                    void (*add)(void *arg, const struct crud_template *template), void *arg);
/* The whole entity, its X-Cache-Key and its ETag; takes `document`. */
void crud_answer_document(struct request *request, int status, cJSON *document, const struct digest *version);
/* Fills the answer or starts a job. The method is one the target's kind offers. */
void crud_answer(struct request *request);
