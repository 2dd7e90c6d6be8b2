#pragma once

/*
 * schema - what an entity looks like, as data.
 *
 * From these rows are derived: validation and defaults (document.h), JSON in and out, SQL
 * (gateway/store/query.h), CRUD endpoints and /schemas (admin), cache keys, and what a change makes stale.
 * Adding an entity is one file of rows. Texts that clients see follow the Admin API reference, sections 1.8
 * to 1.10, to the letter.
 *
 * A document is a cJSON object that holds an entity as the Admin API shows it: every field of the schema,
 * null when unset, foreign keys as {"id":"..."}.
 *
 * Threads: immutable after schemas_add().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

struct buf;
struct field;
struct plugin_schema;
struct schemas;
struct violations;

enum field_kind {
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOLEAN,
    FIELD_ARRAY,
    FIELD_SET, /* an array without duplicates; order is kept */
    FIELD_MAP,
    FIELD_RECORD,
    FIELD_FOREIGN, /* {"id": uuid} of an entity of schema `reference` */
};

enum field_flags {
    FIELD_REQUIRED = 1 << 0,
    FIELD_UNIQUE = 1 << 1,
    FIELD_AUTO = 1 << 2, /* made by the server when absent: ids, timestamps, keys */
    FIELD_UUID = 1 << 3,
    FIELD_TIMESTAMP = 1 << 4,    /* positive seconds */
    FIELD_MILLISECONDS = 1 << 5, /* a timestamp with three digits of fraction */
    FIELD_REFERENCEABLE = 1 << 6,
    FIELD_ENCRYPTED = 1 << 7,     /* a secret: *** in every log */
    FIELD_ABSTRACT = 1 << 8,      /* plugins.config: the record of the plugin named */
    FIELD_CASCADE = 1 << 9,       /* foreign: deleted with its parent */
    FIELD_NULL_DEFAULT = 1 << 10, /* /schemas shows "default":null */
    FIELD_READ_ONLY = 1 << 11,    /* a client's value is ignored (updated_at) */
    FIELD_EMPTY_OK = 1 << 12,     /* string: length 0 is allowed */
    FIELD_IS_REGEX = 1 << 13,
    FIELD_EQ_NULL = 1 << 14, /* must be null; /schemas shows "eq":null */
    FIELD_ONE_WAY = 1 << 15, /* foreign: no path leads from the child to the parent */
};

/* Custom check of one value that has the right type: true, or false with the message a client sees. */
typedef bool (*field_check_fn)(const cJSON *value, char message[256]);

/* One attribute that is only shown by /schemas (its effect is in `check`): match, match_none ... as JSON
 * text. */
struct field_note {
    const char *name;
    const char *json;
};

/* A member that bodies may have under an older name; it is never shown. */
struct field_alias {
    const char *old;
    const char *name; /* "": it is taken and means nothing */
};

/* A rule over several fields of one record or entity. */
enum check_kind {
    CHECK_AT_LEAST_ONE_OF,
    CHECK_ONLY_ONE_OF,
    CHECK_MUTUALLY_EXCLUSIVE,
    CHECK_MUTUALLY_REQUIRED,
    CHECK_DISTINCT,
    CHECK_CONDITIONAL,
    CHECK_CUSTOM,
};

struct check {
    enum check_kind kind;
    const char *const *names; /* fields, NULL-terminated; dotted paths reach into records */
    /* CHECK_CONDITIONAL: if the first matches, the second must */
    const struct field *if_field; /* name and the attributes to match with */
    const struct field *then_field;
    const char *then_error; /* replaces the field's own message; NULL: keep it */
    bool overrides;         /* judged also where the second is wrong by itself; its message replaces that */
    /* CHECK_CUSTOM: adds its own violations. `object` is the record or document. */
    void (*run)(const cJSON *object, struct violations *violations);
    const char *json; /* how /schemas shows it; NULL: derived, or hidden for CHECK_CUSTOM */
};

struct field {
    const char *name;
    enum field_kind kind;
    unsigned flags;
    const char *fallback;      /* default as JSON text; NULL: null */
    const char *const *one_of; /* NULL-terminated; for integers decimal text */
    const char *const *not_one_of;
    bool has_between, has_gt;
    double between_min, between_max, gt;
    size_t len_min, len_max, len_eq; /* 0: no rule (a plain string must have 1 at least) */
    const char *starts_with;
    const char *eq_json, *ne_json; /* JSON text */
    const char *const *const
        *exclusive_sets; /* mutually_exclusive_subsets: array of NULL-terminated groups, NULL last */
    const char *contains;
    field_check_fn check;
    const char *new_error;             /* what a POST is told instead of the words of `check`; NULL: those */
    const struct field_note *notes;    /* name NULL last */
    const struct field *elements;      /* array, set */
    const struct field *keys, *values; /* map */
    const struct field *fields;        /* record */
    size_t field_count;
    const struct check *checks; /* record */
    size_t check_count;
    const struct field_alias *aliases; /* record: names of older versions; NULL last */
    const char *reference;             /* foreign: schema name */
    size_t made_length;                /* of the text the server makes (FIELD_AUTO); 0: 32 */
    const char *description;
};

/*
 * A way to find entities in the keyed cache: by which column. Of a list there may be several rows with one
 * value; they are kept together, as one object, and an event of any of them makes it stale.
 */
struct lookup {
    const char *field; /* "id", "username", "key" */
    bool is_list;      /* decode() and show() are about an array of rows; all look-ups of a schema agree */
};

enum {
    SCHEMA_MAX_LOOKUPS = 4
};

struct schema {
    const char *name;         /* "services"; also the table's and the events' name */
    const char *path;         /* collection in URLs: "services", "key-auths" */
    const char *nested_path;  /* under its parents: "routes", "key-auth"; NULL: as `path` */
    const char *parameter;    /* {x} in /endpoints: "services", "keyauth_credentials" */
    const char *endpoint_key; /* unique field usable in URLs; NULL: id only */
    const struct schema
        *named_by;          /* an entity is also known by the endpoint key of each child of that schema */
    const char *not_named;  /* said when there is no such child */
    const char *nested_key; /* the same below a parent, unique among its children; NULL: endpoint_key */
    const struct field *fields;
    size_t field_count;
    const struct check *checks;
    size_t check_count;
    const struct check *change_checks; /* over what a PATCH of the entity by itself says, as it came */
    size_t change_check_count;
    /* What an abstract field is, by the `name` of the entity; NULL ends. NULL: that of the plugin named. */
    const struct plugin_schema *const *variants;
    const char *variant_noun;           /* "vault" */
    const char *shown_name;             /* what /tags calls its rows; NULL: `name` */
    const char *const *unique_together; /* plugins: name, route, service, consumer; NULL-terminated */
    bool has_ttl;                       /* "ttl" outside the schema: column expires_at */
    bool has_tags;
    bool is_nested_only;   /* reached through its parent alone */
    bool is_newest_first;  /* lists; those in the order of ids are at "<collection>/all" */
    bool put_only_changes; /* PUT is PATCH: it creates nothing */
    bool is_routing;       /* part of the routing snapshot; otherwise of the keyed cache */
    struct lookup lookups[SCHEMA_MAX_LOOKUPS]; /* keyed cache only; field NULL ends */
    /* Before validation: shorthands of a body (url) turned into fields; may add violations. NULL: nothing. */
    void (*expand)(cJSON *document, struct violations *violations);
    const struct field *shorthands; /* those of `expand` that stand for whole fields; name NULL last */
    /*
     * After validation, before it is stored: hashing and the like. `given`: the members that a client sent
     * this time; NULL: none. NULL: nothing.
     */
    void (*derive)(cJSON *document, const cJSON *given);
    /*
     * The text of the cache key(s) of a document, workspace included: `add` is called once per key. lookup is
     * the index in `lookups`, or -1 for an entity of the routing snapshot.
     */
    void (*cache_keys)(const struct schema *schema, const cJSON *document,
                       void (*add)(void *arg, int lookup, struct str key), void *arg);
    /* Typed object for the data plane (entities.h) from a stored document. NULL: this entity has none. */
    bool (*decode)(const cJSON *document, void **object, size_t *bytes, struct err *err);
    void (*release)(void *object);
    /* The typed object as JSON, for GET /cache/{key}. The caller owns it. */
    cJSON *(*show)(const void *object);
    /* The same as text, for logs of requests. NULL: nobody logs it. */
    void (*print)(struct buf *buf, const void *object);
};

/* The id of the default workspace; part of most cache keys. Fixed by the first migration. */
#define DEFAULT_WORKSPACE "5b1e0000-0000-4000-8000-000000000001"

enum {
    SCHEMA_MAX_COUNT = 64
};

struct schemas *schemas_new(void);
void schemas_free(struct schemas *schemas);
/* Keeps the pointer. The core entities of this folder: schemas_add_core(). */
void schemas_add(struct schemas *schemas, const struct schema *schema);
void schemas_add_core(struct schemas *schemas);
/* An entity that clients do not see, of a plugin that is not enabled: its rows still go with their parents.
 */
void schemas_add_hidden(struct schemas *schemas, const struct schema *schema);
bool schemas_is_hidden(const struct schemas *schemas, const struct schema *schema);
const struct schema *schemas_find(const struct schemas *schemas, struct str name);
/* Not hidden ones. */
const struct schema *schemas_find_path(const struct schemas *schemas, struct str path);
const struct schema *schemas_at(const struct schemas *schemas, size_t index);
size_t schemas_count(const struct schemas *schemas);
/* Index of a schema in the set, the entity type's number in the cache. */
uint8_t schemas_number(const struct schemas *schemas, const struct schema *schema);

enum {
    PLUGIN_WORD_SIZE = 64 /* as a word of the log (BUS_ENTITY_NAME_SIZE) */
};

/* An endpoint that a plugin offers beside the Admin API's own. Threads: the admin loop; it does not wait. */
struct plugin_endpoint {
    const char *method;  /* "GET" or "DELETE"; NULL: the end of a list */
    const char *form;    /* of the path; a name in braces stands for any segment */
    const char *summary; /* one line */
    const char *shown;   /* JSON schema of what it answers, with ' for "; NULL: nothing, 204 */
    /*
     * `world` is what the plugin's phases know as chain->world, `segments` are those in braces, decoded.
     * Returns 200 with *json, the caller's; or 204, or 404.
     */
    int (*answer)(const void *world, const struct str *segments, cJSON **json);
    /* What is said to all nodes, this one included, whatever the answer; they hear() it (chain/plugin.h).
     * false: nothing. NULL: never anything. */
    bool (*say)(const struct str *segments, char word[PLUGIN_WORD_SIZE]);
};

/* What validation has to know of a plugin; the registry hands these in. */
struct plugin_schema {
    const char *name;
    const char *version;
    int priority;
    const struct field *config;    /* a FIELD_RECORD */
    const char *const *protocols;  /* allowed, NULL-terminated */
    const char *protocols_default; /* JSON text; NULL: ["grpc","grpcs","http","https"] */
    bool refuses_consumer, refuses_service, refuses_route;
    const struct check *checks; /* over the whole entity: their fields are named from "config." on */
    size_t check_count;
    const char *absence;                     /* of one that does not run: why it never will; NULL: not yet */
    const struct plugin_endpoint *endpoints; /* NULL: none */
};
void schemas_add_plugin(struct schemas *schemas, const struct plugin_schema *plugin);
/* One that does not run: its settings are known, entities of it are refused with a reason. */
void schemas_add_idle_plugin(struct schemas *schemas, const struct plugin_schema *plugin);
/* NULL behind the last one. */
const struct plugin_schema *schemas_idle_plugin_at(const struct schemas *schemas, size_t index);
/* NULL: not installed or not enabled. */
const struct plugin_schema *schemas_find_plugin(const struct schemas *schemas, struct str name);
/* Also one that does not run. */
const struct plugin_schema *schemas_find_known_plugin(const struct schemas *schemas, struct str name);
/* Those that run. */
const struct plugin_schema *schemas_plugin_at(const struct schemas *schemas, size_t index);
size_t schemas_plugin_count(const struct schemas *schemas);
/* What fills the abstract field of an entity of that name; NULL: nothing known. */
const struct plugin_schema *schemas_find_variant(const struct schemas *schemas, const struct schema *schema,
                                                 struct str name);

const struct field *schema_field(const struct schema *schema, const char *name);
/* The cJSON answer of GET /schemas/{name} and /schemas/plugins/{name}; the caller owns it. */
cJSON *schema_describe(const struct schema *schema);
cJSON *plugin_schema_describe(const struct plugin_schema *plugin);
/* The answer of GET /schemas/vaults/{name}. */
cJSON *variant_describe(const struct plugin_schema *variant);

/* What most schemas have as cache_keys: "<schema>:<value>:::::<workspace>" for each look-up, or for the id.
 */
void schema_lookup_keys(const struct schema *schema, const cJSON *document,
                        void (*add)(void *arg, int lookup, struct str key), void *arg);

/*
 * The key of one look-up (-1: by id), also for who asks. A username that looks like an id says that it is
 * none: "consumers:<username>:username::::<workspace>".
 */
void schema_lookup_key(struct buf *buf, const struct schema *schema, int lookup, const char *value);

/* "name:k1:k2:k3:k4:k5:ws", missing parts empty. `parts` are texts or NULL. */
void cache_key_format(struct buf *buf, const char *name, const char *const parts[5], bool with_workspace);
