#pragma once

/*
 * version - which state of an entity a client has seen: ETag, If-Match and If-None-Match (RFC 9110, sections
 * 8.8.3 and 13.1).
 *
 * A version is a digest over all that is stored of an entity, names that are rows of their own included, in
 * canonical form. So it is the same on every node and by every path, and changes with any field. A counter
 * would be one more column that everything that writes rows has to keep (imports, statements by hand), and a
 * restored backup would give its numbers to other states a second time: an If-Match from before would pass.
 * With a digest an entity that was changed and changed back has its old version again, which is the truth.
 * The digest is keyed, because secrets are part of it and it must not help anybody to guess them.
 *
 * Threads: any; pure but for version_look(), which belongs to the job.
 */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/str.h"

struct asking;
struct headers;
struct schema;

enum {
    VERSION_TEXT_SIZE = 2 + 32 + 1, /* quotes, hexadecimal digits, NUL */
    VERSION_TAGS_MAX = 32,          /* of one condition */
    VERSION_PROBLEM_SIZE = 160,
};

/* Of a whole document as the store has it. What only time changes (seconds left to live) is left out. */
void version_of(const struct digest_salt *salt, const struct schema *schema, const cJSON *document,
                struct digest *version);
/* The same, with those names looked for if the document is shown without them. false as asking.h says. */
bool version_look(struct asking *asking, const struct digest_salt *salt, const struct schema *schema,
                  const cJSON *document, struct digest *version) MUST_CHECK;
/* As the value of ETag. */
void version_format(const struct digest *version, char text[VERSION_TEXT_SIZE]);

/* One header: an asterisk, or tags. Tags no entity can have are only counted. */
struct version_tags {
    bool is_given;
    bool is_any;
    size_t count;
    struct {
        struct digest digest;
        bool is_weak;
    } at[VERSION_TAGS_MAX];
};
struct version_condition {
    struct version_tags match;      /* If-Match */
    struct version_tags none_match; /* If-None-Match */
};
/* false: one of the headers is malformed or too long; `problem` says it to the client. */
bool version_read(const struct headers *headers, struct version_condition *condition,
                  char problem[VERSION_PROBLEM_SIZE]) MUST_CHECK;

enum version_verdict {
    VERSION_FITS,    /* go on */
    VERSION_DIFFERS, /* If-Match names none of what is there: 412 */
    VERSION_IS_KNOWN /* If-None-Match names it: 304 where something is read, else 412 */
};
/* `version` NULL: there is no such entity. */
enum version_verdict version_judge(const struct version_condition *condition, const struct digest *version);
