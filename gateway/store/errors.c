/*
 * errors - one table from SQLSTATE to failure, and the constraint names to fields.
 */

#include "gateway/store/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The first row whose text begins the SQLSTATE counts. */
static const struct reason {
    const char *sqlstate;
    enum store_failure failure;
    enum err_code code;
} reasons[] = {
    /* clang-format off */
    {"40001", STORE_CONFLICT,    ERR_RETRY},       /* serialization failure */
    {"40P01", STORE_CONFLICT,    ERR_RETRY},       /* deadlock */
    {"55P03", STORE_UNAVAILABLE, ERR_TIMEOUT},     /* lock_timeout */
    {"57014", STORE_UNAVAILABLE, ERR_TIMEOUT},     /* statement_timeout */
    {"25P03", STORE_UNAVAILABLE, ERR_TIMEOUT},     /* idle_in_transaction_session_timeout */
    {"25006", STORE_UNAVAILABLE, ERR_UNAVAILABLE}, /* read only: a standby */
    {"08",    STORE_UNAVAILABLE, ERR_UNAVAILABLE}, /* connection */
    {"54000", STORE_TOO_LONG,    ERR_INVALID},     /* program limit: the size of an index entry */
    {"53",    STORE_UNAVAILABLE, ERR_UNAVAILABLE}, /* out of disk, memory, connections */
    {"57P",   STORE_UNAVAILABLE, ERR_UNAVAILABLE}, /* shutting down, starting up */
    {"58",    STORE_UNAVAILABLE, ERR_UNAVAILABLE}, /* the server's own input or output */
    {"",      STORE_REJECTED,    ERR_INTERNAL},
    /* clang-format on */
};

static const struct reason *reason_of(const char *sqlstate)
{
    const struct reason *reason = reasons;

    while (strncmp(reason->sqlstate, sqlstate, strlen(reason->sqlstate)) != 0)
        reason++;
    return reason;
}

static enum err_code code_of(const struct bus_err *from)
{
    switch (from->code) {
    case BUS_ERR_NONE:
    case BUS_ERR_INTERNAL:
        break;
    case BUS_ERR_CONNECT:
        return ERR_UNAVAILABLE;
    case BUS_ERR_DEADLINE:
        return ERR_TIMEOUT;
    case BUS_ERR_UNKNOWN_OUTCOME:
        return ERR_UNKNOWN_OUTCOME;
    case BUS_ERR_INVALID:
        return ERR_VERSION;
    case BUS_ERR_SQL:
        return reason_of(from->sqlstate)->code;
    }
    return ERR_INTERNAL;
}

static enum store_failure failure_of(const struct bus_err *from)
{
    switch (from->code) {
    case BUS_ERR_NONE:
    case BUS_ERR_INTERNAL:
    case BUS_ERR_INVALID:
        break;
    case BUS_ERR_CONNECT:
    case BUS_ERR_DEADLINE:
        return STORE_UNAVAILABLE;
    case BUS_ERR_UNKNOWN_OUTCOME:
        return STORE_UNKNOWN_OUTCOME;
    case BUS_ERR_SQL:
        return reason_of(from->sqlstate)->failure;
    }
    return STORE_REJECTED;
}

/* Is the constraint's name <table>_<name><suffix>? */
static bool is_named(const char *constraint, const struct schema *schema, const char *name,
                     const char *suffix)
{
    char expected[128];

    (void)snprintf(expected, sizeof(expected), "%s_%s%s", schema->name, name, suffix);
    return strcmp(constraint, expected) == 0;
}

static void copy_member(cJSON *key, const cJSON *document, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(document, name);

    (void)cJSON_AddItemToObject(key, name, value != NULL ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
}

static void set_unique(struct store_error *error, const struct bus_err *from, const struct schema *schema,
                       const cJSON *document)
{
    if (is_named(from->constraint, schema, "pkey", "")) {
        error->failure = STORE_PRIMARY_KEY;
        error->err.code = ERR_PRIMARY_KEY;
        error->key = cJSON_CreateObject();
        copy_member(error->key, document, "id");
        return;
    }
    error->failure = STORE_UNIQUE;
    error->err.code = ERR_CONFLICT;
    error->key = cJSON_CreateObject();
    if (is_named(from->constraint, schema, "together_key", "") && schema->unique_together != NULL) {
        for (const char *const *name = schema->unique_together; *name != NULL; name++)
            copy_member(error->key, document, *name);
        return;
    }
    for (size_t i = 0; i < schema->field_count; i++)
        if (is_named(from->constraint, schema, schema->fields[i].name, "_key"))
            copy_member(error->key, document, schema->fields[i].name);
}

static void set_foreign(struct store_error *error, const struct bus_err *from, const struct schemas *schemas,
                        const struct schema *schema, const cJSON *document)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if (field->kind != FIELD_FOREIGN || !is_named(from->constraint, schema, field->name, "_id_fkey"))
            continue;
        error->failure = STORE_FOREIGN_KEY;
        error->err.code = ERR_FOREIGN_KEY;
        error->key = cJSON_CreateObject();
        copy_member(error->key, document, field->name);
        error->other = schemas_find(schemas, str_of(field->reference));
        return;
    }
}

void store_error_fini(struct store_error *error)
{
    cJSON_Delete(error->key);
    *error = (struct store_error){0};
}

bool store_error_set(struct store_error *error, enum store_failure failure, const char *format, ...)
{
    char text[sizeof(error->err.text)];
    va_list values;

    store_error_fini(error);
    error->failure = failure;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    return err_set(&error->err, failure == STORE_BAD_OFFSET ? ERR_INVALID : ERR_UNAVAILABLE, "%s", text);
}

bool store_error_from(struct store_error *error, const struct bus_err *from)
{
    store_error_fini(error);
    error->failure = failure_of(from);
    return err_set(&error->err, code_of(from), "%s", from->text);
}

bool store_error_from_write(struct store_error *error, const struct bus_err *from,
                            const struct schemas *schemas, const struct schema *schema, const cJSON *document)
{
    (void)store_error_from(error, from);
    if (from->code == BUS_ERR_SQL && strcmp(from->sqlstate, "23505") == 0)
        set_unique(error, from, schema, document);
    if (from->code == BUS_ERR_SQL && strcmp(from->sqlstate, "23503") == 0)
        set_foreign(error, from, schemas, schema, document);
    return false;
}

bool store_error_from_delete(struct store_error *error, const struct bus_err *from,
                             const struct schemas *schemas)
{
    (void)store_error_from(error, from);
    if (from->code != BUS_ERR_SQL ||
        (strcmp(from->sqlstate, "23503") != 0 && strcmp(from->sqlstate, "23001") != 0))
        return false;
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        for (size_t k = 0; k < schema->field_count; k++) {
            if (!is_named(from->constraint, schema, schema->fields[k].name, "_id_fkey"))
                continue;
            error->failure = STORE_REFERENCED;
            error->err.code = ERR_FOREIGN_KEY;
            error->other = schema;
            return false;
        }
    }
    return false;
}

bool err_from_bus(struct err *err, const struct bus_err *from)
{
    return err_set(err, code_of(from), "%s", from->text);
}

bool is_disconnect(const struct bus_err *from)
{
    return from->code == BUS_ERR_CONNECT ||
           (from->code == BUS_ERR_SQL && strncmp(from->sqlstate, "57P", 3) == 0);
}
