#pragma once

/*
 * errors - what Postgres said, in the terms of the Admin API.
 *
 * Constraints are recognised by their names, which the migrations give by one rule: <table>_pkey,
 * <table>_<field>_key, <table>_<field>_id_fkey, <table>_together_key.
 *
 * Threads: any; pure.
 */

#include <cjson/cJSON.h>

#include "bus/pg_session.h"
#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/model/schema.h"
#include "gateway/store/store.h"

/* All return false. What the error held before is freed. */
bool store_error_set(struct store_error *error, enum store_failure failure, const char *format, ...)
    PRINTF_LIKE(3, 4);
bool store_error_from(struct store_error *error, const struct bus_err *from);
/* After an insert or update of `document`. */
bool store_error_from_write(struct store_error *error, const struct bus_err *from,
                            const struct schemas *schemas, const struct schema *schema,
                            const cJSON *document);
/* After a delete: the violated constraint belongs to the table that still refers. */
bool store_error_from_delete(struct store_error *error, const struct bus_err *from,
                             const struct schemas *schemas);

/* For callers with a plain struct err. Returns false. */
bool err_from_bus(struct err *err, const struct bus_err *from);

/* Did the statement fail for want of a server, so that another connection may do better? */
bool is_disconnect(const struct bus_err *from);
