#pragma once

/*
 * stored_rows - rows from an array in place of the database: the functions of store.h that read views are
 * defined here, so the linker does not take those of the library. For one program: include it once.
 */

#include "snapshots.h"

#include "gateway/model/document.h"
#include "gateway/store/store.h"

enum {
    ROWS = 32
};

static struct {
    const struct schema *schema;
    unsigned number;
    cJSON *document;
} rows[ROWS];
static bool database_is_away;
static size_t rows_read;

static void set_row(const struct schema *schema, unsigned number, const char *text)
{
    size_t at = 0;
    while (at < ROWS && rows[at].document != NULL && rows[at].number != number)
        at++;
    assert_true(at < ROWS);
    cJSON_Delete(rows[at].document);
    rows[at].schema = schema;
    rows[at].number = number;
    rows[at].document = text != NULL ? test_row(number, text) : NULL;
    for (; text == NULL && at + 1 < ROWS; at++) { /* no holes */
        rows[at] = rows[at + 1];
        rows[at + 1].document = NULL;
    }
}

typedef bool (*row_fn)(void *arg, const cJSON *document, struct err *err);

static bool hand_out(const struct schema *schema, const struct uuid *ids, size_t count, row_fn row, void *arg,
                     struct err *err)
{
    for (size_t i = 0; i < ROWS && rows[i].document != NULL; i++) {
        struct uuid id = test_id(rows[i].number);
        bool wanted = ids == NULL;
        for (size_t k = 0; k < count; k++)
            wanted = wanted || uuid_equal(&ids[k], &id);
        rows_read += rows[i].schema == schema && wanted ? 1 : 0;
        if (rows[i].schema == schema && wanted && !row(arg, rows[i].document, err))
            return false;
    }
    return !database_is_away || err_set(err, ERR_UNAVAILABLE, "gone away");
}

bool store_view_all(struct pg_session *view, const struct schema *schema, row_fn row, void *arg,
                    struct err *err)
{
    (void)view;
    return hand_out(schema, NULL, 0, row, arg, err);
}

bool store_view_ids(struct pg_session *view, const struct schema *schema, const struct uuid *ids,
                    size_t count, row_fn row, void *arg, struct err *err)
{
    (void)view;
    for (size_t i = 1; i < count; i++)
        assert_false(uuid_equal(&ids[i - 1], &ids[i]));
    return hand_out(schema, ids, count, row, arg, err);
}

bool store_view_page(struct pg_session *view, const struct schema *schema, const struct uuid *after,
                     size_t limit, row_fn row, void *arg, size_t *found, struct err *err)
{
    (void)view;
    (void)schema;
    (void)after;
    (void)limit;
    (void)row;
    (void)arg;
    (void)found;
    (void)err;
    fail(); /* nobody scrubs here */
    return false;
}

bool store_view_count(struct pg_session *view, const struct schema *schema, uint64_t *found, struct err *err)
{
    (void)view;
    (void)schema;
    (void)found;
    (void)err;
    fail(); /* nobody scrubs here */
    return false;
}

static size_t fills_read;

/* Rows by their username. */
bool store_view_fills(struct pg_session *view, struct store_fill *fills, struct err *err)
{
    (void)view;
    for (struct store_fill *fill = fills; fill != NULL; fill = fill->next) {
        fills_read++;
        assert_ptr_equal(fill->schema, fills->schema);
        assert_int_equal(fill->lookup, fills->lookup);
        fill->position = 11;
        for (size_t i = 0; i < ROWS && rows[i].document != NULL; i++) {
            const char *name = document_text(rows[i].document, "username");
            if (name != NULL && str_equal(fill->value, str_of(name)) &&
                !fill->schema->decode(rows[i].document, &fill->object, &fill->bytes, err))
                return false;
        }
    }
    return !database_is_away || err_set(err, ERR_UNAVAILABLE, "gone away");
}
