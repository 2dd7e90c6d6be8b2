#pragma once

/*
 * query - SQL from the rows of a schema. No statement in this folder knows an entity by name.
 *
 * The table of a schema has its name; a foreign field f is the column f_id, every other field its own column.
 * Rows come as JSON documents made by Postgres, and go there as one jsonb parameter, so no value is ever
 * quoted here.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/base/str.h"
#include "gateway/model/schema.h"

/* Values that cannot be in a text column at all: such a value is in no row, and asking would be an error. */
bool query_is_text(struct str value);

/* "services" or "service_id", quoted. */
void query_add_table(struct buf *sql, const struct schema *schema);
void query_add_column(struct buf *sql, const struct field *field);
/* The cast for a parameter compared with the column: "uuid", "text", "bigint" ... */
const char *query_column_type(const struct field *field);
/* Is it a value of a column of this type? */
bool query_can_equal(const struct field *field, struct str value);

/*
 * `(SELECT <fields> FROM "services" t WHERE true`: to be continued with conditions over t, and closed with ")
 * d". The document of a row is then row_to_json(d). Without QUERY_EXPIRED_TOO rows whose time is over are
 * left out.
 */
enum query_rows {
    QUERY_LIVE,
    QUERY_LIVE_EXACT, /* of a kind with a ttl also expires_at, in seconds */
    QUERY_EXPIRED_TOO
};
void query_open_rows(struct buf *sql, const struct schema *schema, enum query_rows rows);

/* $1: the document. */
void query_insert(struct buf *sql, const struct schema *schema);
/* $1: an array of documents. */
void query_insert_all(struct buf *sql, const struct schema *schema);
/* $1: the document. $2, only if the schema has a ttl: boolean, keep the row's time of expiry. */
void query_update(struct buf *sql, const struct schema *schema);
/* $1: a document. Locks and returns some expired rows of its kind, those first whose unique fields it has. */
void query_expired(struct buf *sql, const struct schema *schema);

/* Text of a Postgres array, {"a","b\"c"}; adds one element. Begin with '{', end with '}'. */
void query_add_element(struct buf *array, struct str element);
