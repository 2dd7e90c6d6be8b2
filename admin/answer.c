/*
 * answer - see answer.h. Every error of the Admin API is a row of `kinds`.
 */

#include "admin/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/model/texts.h"

static const char json_type[] = "application/json; charset=utf-8";
static const char unexpected[] = "An unexpected error occurred";

static const struct kind {
    const char *name;
    int status;
} kinds[] = {
    /* clang-format off */
    [ANSWER_INVALID_PRIMARY_KEY]   = {"invalid primary key",         400},
    [ANSWER_SCHEMA_VIOLATION]      = {"schema violation",            400},
    [ANSWER_PRIMARY_KEY_VIOLATION] = {"primary key violation",       400},
    [ANSWER_FOREIGN_KEY_VIOLATION] = {"foreign key violation",       400},
    [ANSWER_UNIQUE_VIOLATION]      = {"unique constraint violation", 409},
    [ANSWER_NOT_FOUND]             = {"not found",                   404},
    [ANSWER_INVALID_OFFSET]        = {"invalid offset",              400},
    [ANSWER_INVALID_SIZE]          = {"invalid size",                400},
    [ANSWER_INVALID_UNIQUE]        = {"invalid unique",              400}, /* and the field */
    [ANSWER_INVALID_OPTIONS]       = {"invalid options",             400},
    [ANSWER_UNRESOLVED]            = {"foreign keys unresolved",     400},
    /* clang-format on */
};

void answer_fini(struct answer *answer)
{
    free(answer->body);
    free(answer->cache_key);
    free(answer->laggards);
    if (answer->source != NULL)
        answer->source->close(answer->source_state);
    *answer = (struct answer){0};
}

void answer_empty(struct answer *answer, int status)
{
    answer_fini(answer);
    answer->status = status;
}

void answer_text(struct answer *answer, int status, const char *type, const char *text)
{
    answer_empty(answer, status);
    answer->type = type;
    answer->body = mem_strdup(text);
    answer->body_len = strlen(text);
}

void answer_pieces(struct answer *answer, const char *type, const struct answer_source *source, void *state)
{
    answer_empty(answer, 200);
    answer->type = type;
    answer->source = source;
    answer->source_state = state;
}

void answer_json(struct answer *answer, int status, cJSON *json)
{
    char *text = document_print(json);

    answer_empty(answer, status);
    answer->type = json_type;
    answer->body = text != NULL ? text : mem_strdup("{}");
    utf8_mend(answer->body); /* messages quote URLs */
    answer->body_len = strlen(answer->body);
    cJSON_Delete(json);
}

void answer_constant(struct answer *answer, struct str json)
{
    answer_empty(answer, 200);
    answer->type = json_type;
    answer->text = json.at;
    answer->body_len = json.len;
}

void answer_message(struct answer *answer, int status, const char *format, ...)
{
    char text[512];
    cJSON *json = cJSON_CreateObject();
    va_list values;

    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    (void)cJSON_AddStringToObject(json, "message", text);
    answer_json(answer, status, json);
}

void answer_not_found(struct answer *answer)
{
    answer_message(answer, 404, "Not found");
}

static cJSON *error_object(enum answer_code code, const char *name, const char *message)
{
    cJSON *json = cJSON_CreateObject();

    (void)cJSON_AddNumberToObject(json, "code", code);
    (void)cJSON_AddStringToObject(json, "name", name);
    (void)cJSON_AddStringToObject(json, "message", message);
    return json;
}

void answer_error(struct answer *answer, enum answer_code code, cJSON *fields, const char *message)
{
    cJSON *json = error_object(code, kinds[code].name, message);

    if (fields != NULL)
        (void)cJSON_AddItemToObject(json, "fields", fields);
    answer_json(answer, kinds[code].status, json);
}

void answer_invalid_unique(struct answer *answer, const char *field, const char *message)
{
    char *name = mem_printf("%s %s", kinds[ANSWER_INVALID_UNIQUE].name, field);

    answer_json(answer, kinds[ANSWER_INVALID_UNIQUE].status,
                error_object(ANSWER_INVALID_UNIQUE, name, message));
    free(name);
}

void answer_invalid_option(struct answer *answer, const char *option, const char *message)
{
    char *text = mem_printf("invalid option (%s: %s)", option, message);
    cJSON *json = error_object(ANSWER_INVALID_OPTIONS, kinds[ANSWER_INVALID_OPTIONS].name, text);
    cJSON *options = cJSON_AddObjectToObject(json, "options");

    (void)cJSON_AddStringToObject(options, option, message);
    answer_json(answer, kinds[ANSWER_INVALID_OPTIONS].status, json);
    free(text);
}

void answer_violations(struct answer *answer, const struct violations *violations)
{
    char *message = violations_message(violations);

    answer_error(answer, ANSWER_SCHEMA_VIOLATION, cJSON_Duplicate(violations->fields, true), message);
    free(message);
}

/* The key, in its Lua form, between `before` and `after`. */
static void answer_key(struct answer *answer, enum answer_code code, cJSON *key, const char *before,
                       const char *after)
{
    char *text = key_text(key);
    char *message = mem_printf("%s'%s'%s", before, text, after);

    answer_error(answer, code, key, message);
    free(message);
    free(text);
}

void answer_missing(struct answer *answer, cJSON *key)
{
    bool by_id = cJSON_HasObjectItem(key, "id");

    answer_key(answer, ANSWER_NOT_FOUND, key,
               by_id ? "could not find the entity with primary key " : "could not find the entity with ", "");
}

static void answer_foreign_key(struct answer *answer, const struct store_error *error)
{
    cJSON *fields = cJSON_Duplicate(error->key, true);
    char *text = key_text(fields != NULL ? fields->child : NULL);
    char *message = mem_printf("the foreign key '%s' does not reference an existing '%s' entity.", text,
                               error->other != NULL ? error->other->name : "?");

    answer_error(answer, ANSWER_FOREIGN_KEY_VIOLATION, fields, message);
    free(message);
    free(text);
}

static void answer_referenced(struct answer *answer, const struct schema *schema,
                              const struct store_error *error)
{
    const char *other = error->other != NULL ? error->other->name : "?";
    char *message = mem_printf("an existing '%s' entity references this '%s' entity", other, schema->name);
    cJSON *fields = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(fields, "@referenced_by", other);
    answer_error(answer, ANSWER_FOREIGN_KEY_VIOLATION, fields, message);
    free(message);
}

/* Which value it is Postgres does not say; only unique fields and tags have an index. */
static void answer_too_long(struct answer *answer)
{
    struct violations violations = {0};

    violations_add(&violations, NULL, "a name, key or tag is too long to be stored");
    answer_violations(answer, &violations);
    violations_fini(&violations);
}

void answer_store_error(struct answer *answer, const struct schema *schema, const struct store_error *error)
{
    const char *name = schema != NULL ? schema->name : "-";

    switch (error->failure) {
    case STORE_PRIMARY_KEY:
        answer_key(answer, ANSWER_PRIMARY_KEY_VIOLATION, cJSON_Duplicate(error->key, true),
                   "primary key violation on key ", "");
        return;
    case STORE_UNIQUE:
        answer_key(answer, ANSWER_UNIQUE_VIOLATION, cJSON_Duplicate(error->key, true),
                   "UNIQUE violation detected on ", "");
        return;
    case STORE_FOREIGN_KEY:
        answer_foreign_key(answer, error);
        return;
    case STORE_REFERENCED:
        answer_referenced(answer, schema, error);
        return;
    case STORE_BAD_OFFSET:
        answer_error(answer, ANSWER_INVALID_OFFSET, NULL, error->err.text);
        return;
    case STORE_TOO_LONG:
        answer_too_long(answer);
        return;
    case STORE_UNKNOWN_OUTCOME:
        log_error("admin: the outcome of a commit is unknown; entity=%s why=%s", name, error->err.text);
        answer_message(answer, 500,
                       "The connection to the database was lost during the commit: the change may "
                       "or may not have been stored");
        return;
    case STORE_OK:
    case STORE_UNAVAILABLE:
    case STORE_CONFLICT:
    case STORE_REJECTED:
        break;
    }
    log_error("admin: the database could not do it; entity=%s why=%s", name, error->err.text);
    answer_message(answer, 500, "%s", unexpected);
}
