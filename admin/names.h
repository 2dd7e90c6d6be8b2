#pragma once

/*
 * names - the member `snis` of certificates: rows of their own that are read and written with their
 * certificate (Admin API reference 2.7).
 *
 *   names_take()  out of the body, before the rest is looked at; what is wrong with the list is told alone
 *   names_store() once the certificate is there
 *   names_show()  into answers
 *
 * All do nothing for other entities. Threads: the store job.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "admin/asking.h"
#include "gateway/base/attributes.h"

struct schema;

struct names {
    bool from_form;      /* the caller's: there a lone text is a list; in JSON it is ignored */
    bool is_given;       /* also as null */
    cJSON *list;         /* owned; NULL: none */
    const char **sorted; /* its texts; owned */
    size_t count;
};
void names_fini(struct names *names);

/* The member's name where entities of that schema show one; NULL: they do not. */
const char *names_member(const struct schema *schema);

/* `own_id`: of the entity that the names may already belong to; NULL: a new one. false as asking.h says. */
bool names_take(struct asking *asking, const struct crud_target *target, cJSON *body, const char *own_id,
                struct names *names) MUST_CHECK;
/* One more, unless there is no list or it is in it. Once only. */
void names_add(struct names *names, struct str name);
/* Exactly the names of the list belong to the entity afterwards; each change has its event. */
bool names_store(struct asking *asking, const struct crud_target *target, const char *id,
                 const struct names *names) MUST_CHECK;
/* Into each of the documents, an array or one. */
bool names_show(struct asking *asking, const struct crud_target *target, cJSON *documents) MUST_CHECK;
