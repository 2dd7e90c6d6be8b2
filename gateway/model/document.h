#pragma once

/*
 * document - checks a body against a schema and makes it complete: types, rules, defaults, generated values.
 *
 * All violations are found, not the first. Their tree and message have the shape clients of the Admin API
 * expect (reference 1.7 to 1.10).
 *
 * Threads: any; documents belong to their caller.
 */

#include <stdbool.h>

#include "gateway/model/schema.h"

/* Errors by field. `fields` mirrors the entity; "@entity" holds what concerns several fields. */
struct violations {
    cJSON *fields; /* NULL: none so far */
    size_t count;  /* how often something was found, also where the first word stands */
};
void violations_fini(struct violations *violations);
bool violations_any(const struct violations *violations);
/* path is dotted ("config.minute", "paths.2"); NULL: the whole entity. */
void violations_add(struct violations *violations, const char *path, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "schema violation (host: required field missing)" or "2 schema violations (a; b)". The caller owns it. */
char *violations_message(const struct violations *violations);
/* Lua-table form of a key for messages: {name="a"} (reference 1.9). The caller owns it. */
char *key_text(const cJSON *key);

enum document_op {
    DOCUMENT_CREATE,  /* POST, and PUT of something new: defaults, generated values, both timestamps */
    DOCUMENT_REPLACE, /* PUT: as CREATE; id comes from the URL */
    DOCUMENT_UPDATE,  /* PATCH: `document` is the merged entity; updated_at is set */
};

struct document_context {
    const struct schemas *schemas; /* NULL: what other entities say about a body is not looked at */
    const struct schema *schema;
    enum document_op op;
    int64_t now_us;          /* wall clock */
    bool takes_idle_plugins; /* also those that do not run: a look at a document that is not stored */
    const cJSON *change;     /* of an update: what was merged; NULL: nothing */
};

/*
 * `document` is a body (CREATE, REPLACE) or a merged entity (UPDATE). On true it has become a complete
 * document with its fields in schema order; on false `violations` says why and the document is unspecified.
 */
bool document_complete(const struct document_context *context, cJSON *document,
                       struct violations *violations) MUST_CHECK;

/* PATCH: `change` over `stored`: records merge, everything else is replaced. Shorthands stay as they are for
 * document_complete(). */
void document_merge(const struct schema *schema, const struct schemas *schemas, cJSON *stored,
                    const cJSON *change);

/*
 * Form bodies: values are texts; turns them into what the schema wants ("1" -> 1, lone scalars -> arrays
 * ...), where that is possible. For plugins `config` is guided by the plugin named in the document or in
 * `stored` (may be NULL).
 */
void document_type_form(const struct schemas *schemas, const struct schema *schema, cJSON *document,
                        const cJSON *stored);

/* Is `text` possible as the endpoint key of the schema? false: message as a client sees it (code 10). */
bool document_check_key(const struct schema *schema, struct str text, char message[256]);
/* Rules over what a client wants to change, for entities that have such (schema.change_checks). */
void document_check_change(const struct schema *schema, cJSON *change, struct violations *violations);

/* Expands and fills the defaults of a plugin's config record as stored (for rows older than a field). */
void document_fill_config(const struct plugin_schema *plugin, cJSON *config);

/* As JSON text, whole numbers in full. The caller frees it. */
char *document_print(const cJSON *value);

/* Of all that is in it: two documents with one hash are the same, but for one chance in 2^64. Not for digests
 * that somebody else can see. */
uint64_t document_hash(const cJSON *value);

/* Small conveniences over cJSON; NULL or the fallback when absent or of another type. */
const char *document_text(const cJSON *object, const char *name);
int64_t document_int(const cJSON *object, const char *name, int64_t fallback);
bool document_bool(const cJSON *object, const char *name, bool fallback);
/* Id of a foreign field: false when null. */
bool document_reference(const cJSON *document, const char *name, struct uuid *id);
bool document_id(const cJSON *document, struct uuid *id);
