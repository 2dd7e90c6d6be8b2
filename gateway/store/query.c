/*
 * query - statements derived from struct schema.
 *
 * Reading: row_to_json() over a subselect whose columns are the schema's fields in order. Postgres turns that
 * into one row expression, so a document costs no more than its columns do. Writing: jsonb_to_record() gives
 * the parameter the columns' types. Numbers are exact both ways: jsonb keeps decimals, bigint columns are
 * printed in full.
 */

#include "gateway/store/query.h"

#include "gateway/base/uuid.h"

enum {
    EXPIRED_AT_ONCE = 50
}; /* how many dead rows one write carries away */

static bool is_list_of_texts(const struct field *field)
{
    return (field->kind == FIELD_ARRAY || field->kind == FIELD_SET) && field->elements != NULL &&
           field->elements->kind == FIELD_STRING;
}

const char *query_column_type(const struct field *field)
{
    switch (field->kind) {
    case FIELD_STRING:
        return (field->flags & FIELD_UUID) != 0 ? "uuid" : "text";
    case FIELD_INTEGER:
        return "bigint";
    case FIELD_NUMBER:
        return "double precision";
    case FIELD_BOOLEAN:
        return "boolean";
    case FIELD_FOREIGN:
        return "uuid";
    case FIELD_ARRAY:
    case FIELD_SET:
        return is_list_of_texts(field) ? "text[]" : "jsonb";
    case FIELD_MAP:
    case FIELD_RECORD:
        break;
    }
    return "jsonb";
}

bool query_is_text(struct str value)
{
    return value.at != NULL && memchr(value.at, '\0', value.len) == NULL && str_is_utf8(value);
}

bool query_can_equal(const struct field *field, struct str value)
{
    struct uuid id;

    if (field->kind == FIELD_FOREIGN || (field->flags & FIELD_UUID) != 0)
        return value.at != NULL && uuid_from_str(value, &id);
    return query_is_text(value);
}

void query_add_table(struct buf *sql, const struct schema *schema)
{
    buf_printf(sql, "\"%s\"", schema->name);
}

void query_add_column(struct buf *sql, const struct field *field)
{
    buf_printf(sql, "\"%s%s\"", field->name, field->kind == FIELD_FOREIGN ? "_id" : "");
}

void query_open_rows(struct buf *sql, const struct schema *schema, enum query_rows rows)
{
    buf_add_text(sql, "(SELECT ");
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if (i > 0)
            buf_add_text(sql, ", ");
        if (field->kind == FIELD_FOREIGN)
            buf_printf(
                sql,
                "CASE WHEN t.\"%s_id\" IS NOT NULL THEN json_build_object('id', t.\"%s_id\") END AS \"%s\"",
                field->name, field->name, field->name);
        else
            buf_printf(sql, "t.\"%s\"", field->name);
    }
    if (schema->has_ttl)
        buf_add_text(sql, ", floor(extract(epoch FROM t.expires_at - statement_timestamp()))::bigint AS ttl");
    if (schema->has_ttl && rows == QUERY_LIVE_EXACT)
        buf_add_text(sql, ", extract(epoch FROM t.expires_at) AS expires_at");
    buf_add_text(sql, " FROM ");
    query_add_table(sql, schema);
    buf_add_text(sql, " t WHERE true");
    if (schema->has_ttl && rows != QUERY_EXPIRED_TOO)
        buf_add_text(sql, " AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())");
}

/* jsonb_to_record($1) AS n(...): the document's members with the types of their columns. */
static void add_document_record(struct buf *sql, const struct schema *schema, const char *function)
{
    buf_printf(sql, " FROM %s($1::jsonb) AS n(", function);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        buf_printf(sql, "%s\"%s\" %s", i > 0 ? ", " : "", field->name,
                   field->kind == FIELD_FOREIGN ? "jsonb" : query_column_type(field));
    }
    if (schema->has_ttl)
        buf_add_text(sql, ", ttl double precision");
    buf_add_text(sql, ")");
}

static void add_document_value(struct buf *sql, const struct field *field)
{
    if (field->kind == FIELD_FOREIGN)
        buf_printf(sql, "(n.\"%s\" ->> 'id')::uuid", field->name);
    else
        buf_printf(sql, "n.\"%s\"", field->name);
}

static void add_expiry_value(struct buf *sql)
{
    buf_add_text(sql, "CASE WHEN n.ttl > 0 THEN statement_timestamp() + n.ttl * interval '1 second' END");
}

static void add_insert(struct buf *sql, const struct schema *schema, const char *function)
{
    buf_add_text(sql, "INSERT INTO ");
    query_add_table(sql, schema);
    buf_add_text(sql, " (");
    for (size_t i = 0; i < schema->field_count; i++) {
        if (i > 0)
            buf_add_text(sql, ", ");
        query_add_column(sql, &schema->fields[i]);
    }
    buf_add_text(sql, schema->has_ttl ? ", expires_at) SELECT " : ") SELECT ");
    for (size_t i = 0; i < schema->field_count; i++) {
        if (i > 0)
            buf_add_text(sql, ", ");
        add_document_value(sql, &schema->fields[i]);
    }
    if (schema->has_ttl) {
        buf_add_text(sql, ", ");
        add_expiry_value(sql);
    }
    add_document_record(sql, schema, function);
}

void query_insert(struct buf *sql, const struct schema *schema)
{
    add_insert(sql, schema, "jsonb_to_record");
}

void query_insert_all(struct buf *sql, const struct schema *schema)
{
    add_insert(sql, schema, "jsonb_to_recordset");
}

void query_update(struct buf *sql, const struct schema *schema)
{
    buf_add_text(sql, "UPDATE ");
    query_add_table(sql, schema);
    buf_add_text(sql, " t SET ");
    for (size_t i = 0; i < schema->field_count; i++) {
        if (i > 0)
            buf_add_text(sql, ", ");
        query_add_column(sql, &schema->fields[i]);
        buf_add_text(sql, " = ");
        add_document_value(sql, &schema->fields[i]);
    }
    if (schema->has_ttl) {
        buf_add_text(sql, ", expires_at = CASE WHEN $2::boolean THEN t.expires_at ELSE ");
        add_expiry_value(sql);
        buf_add_text(sql, " END");
    }
    add_document_record(sql, schema, "jsonb_to_record");
    buf_add_text(sql, " WHERE t.id = n.id");
}

void query_expired(struct buf *sql, const struct schema *schema)
{
    buf_add_text(sql, "SELECT row_to_json(d) FROM ");
    query_open_rows(sql, schema, QUERY_EXPIRED_TOO);
    buf_add_text(
        sql, " AND t.expires_at <= statement_timestamp() ORDER BY coalesce(t.id::text = $1::jsonb ->> 'id'");
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if ((field->flags & FIELD_UNIQUE) != 0 && field->kind != FIELD_FOREIGN)
            buf_printf(sql, " OR t.\"%s\"::text = $1::jsonb ->> '%s'", field->name, field->name);
    }
    buf_printf(sql, ", false) DESC, t.expires_at LIMIT %d FOR UPDATE SKIP LOCKED) d", (int)EXPIRED_AT_ONCE);
}

void query_add_element(struct buf *array, struct str element)
{
    if (array->len > 1)
        buf_add_byte(array, ',');
    buf_add_byte(array, '"');
    for (size_t i = 0; i < element.len; i++) {
        if (element.at[i] == '"' || element.at[i] == '\\')
            buf_add_byte(array, '\\');
        buf_add_byte(array, element.at[i]);
    }
    buf_add_byte(array, '"');
}
