/*
 * declarative - the command `config`: files with entities, into the database and out of it.
 *
 * An import is one transaction. It reads what is stored, decides for each entity of the file whether it is
 * new, changed or there already, and writes the difference: new ones by the hundred, changed ones one by one
 * and under lock. A file that was imported before writes nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/cli/command.h"
#include "gateway/cli/database.h"
#include "gateway/cli/declaration.h"
#include "gateway/cli/store_job.h"
#include "gateway/cli/yaml.h"
#include "gateway/config/config.h"
#include "gateway/model/document.h"
#include "gateway/store/bulk.h"

enum {
    FILE_BYTES_MAX = 512 << 20,
    ROWS_AT_ONCE = 500
};

static const char default_file[] = "kong.yml";

static const char template[] =
    "# Entities of the gateway. `freshet config parse FILE` says whether it is right,\n"
    "# `freshet config db_import FILE` puts it into the database.\n"
    "\n"
    "_format_version: \"3.0\"\n"
    "\n"
    "# services:\n"
    "# - name: example\n"
    "#   url: http://127.0.0.1:8080\n"
    "#   routes:\n"
    "#   - name: example\n"
    "#     paths:\n"
    "#     - /example\n"
    "#   plugins:\n"
    "#   - name: key-auth\n"
    "#\n"
    "# consumers:\n"
    "# - username: somebody\n"
    "#   keyauth_credentials:\n"
    "#   - key: a-secret-word\n";

struct working {
    const struct command_line *line;
    const char *file; /* NULL: not given */
    struct config *config;
    struct schemas *schemas;
};

/* ---- files ---- */

static bool read_file(const char *name, struct buf *text, struct err *err)
{
    FILE *file = fopen(name, "re");
    size_t count = 1;

    if (file == NULL)
        return err_set(err, ERR_IO, "%s: %s", name, strerror(errno));
    while (count > 0 && text->len <= FILE_BYTES_MAX) {
        count = fread(buf_reserve(text, 1 << 16), 1, 1 << 16, file);
        text->len += count;
    }
    bool ok = ferror(file) == 0 || err_set(err, ERR_IO, "%s: %s", name, strerror(errno));
    (void)fclose(file); /* read only */
    if (ok && text->len > FILE_BYTES_MAX)
        ok = err_set(err, ERR_TOO_LARGE, "%s: more than %d bytes", name, (int)FILE_BYTES_MAX);
    return ok;
}

/* It may hold secrets: its owner's only. Never in the place of another. */
static bool write_file(const char *name, struct str text, struct err *err)
{
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    size_t done = 0;

    if (file < 0 && errno == EEXIST)
        return err_set(err, ERR_CONFLICT, "%s already exists, and is not overwritten", name);
    if (file < 0)
        return err_set(err, ERR_IO, "%s: %s", name, strerror(errno));
    while (done < text.len) {
        ssize_t count = write(file, text.at + done, text.len - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;
        done += (size_t)count;
    }
    bool ok = done == text.len || err_set(err, ERR_IO, "%s: %s", name, strerror(errno));
    if (close(file) != 0 && ok)
        ok = err_set(err, ERR_IO, "%s: %s", name, strerror(errno));
    if (!ok)
        (void)unlink(name);
    return ok;
}

/* ---- init, parse ---- */

static int run_init(struct working *working)
{
    const char *name = working->file != NULL ? working->file : default_file;
    struct err err;

    if (!write_file(name, str_of(template), &err))
        return command_fail("%s", err.text);
    return 0;
}

static int say_problems(const struct working *working, const struct declaration *declaration)
{
    (void)fprintf(stderr, "Error: %s: %zu mistake%s\n%s", working->file, declaration->problem_count,
                  declaration->problem_count == 1 ? "" : "s", buf_str(&declaration->problems).at);
    return 1;
}

static int64_t now_us(void)
{
    const struct clock *clock = clock_system();

    return clock->wall_us(clock->arg);
}

static int run_parse(struct working *working)
{
    struct declaration *declaration = NULL;
    struct buf text = {0};
    struct err err;
    int result = 0;

    if (!read_file(working->file, &text, &err) ||
        !declaration_read(buf_str(&text), working->schemas, &declaration, &err))
        result = command_fail("%s", err.text);
    else if (!declaration_resolve(declaration, now_us()))
        result = say_problems(working, declaration);
    else
        puts("parse successful");
    declaration_free(declaration);
    buf_fini(&text);
    return result;
}

/* ---- db_import ---- */

struct import {
    const struct working *working;
    struct buf text;
    struct declaration *declaration; /* of the last try */
    struct err err;                  /* why it was not read */
    struct store_error error;
    bool is_good;
};

struct stored_rows {
    struct declaration *declaration;
    const struct schema *schema;
};

static bool add_stored(void *arg, const cJSON *document, struct err *err)
{
    const struct stored_rows *rows = arg;

    (void)err;
    declaration_add_stored(rows->declaration, rows->schema, document);
    return true;
}

static bool insert_new(struct store_session *session, const struct declaration *declaration,
                       const struct schema *schema, struct store_error *error)
{
    cJSON *rows = cJSON_CreateArray();
    int count = 0;
    bool ok = true;

    for (size_t i = 0; i < declaration->count && ok; i++) {
        const struct declared *entity = &declaration->at[i];
        if (entity->schema != schema || entity->old != NULL)
            continue;
        (void)cJSON_AddItemToArray(rows, cJSON_Duplicate(entity->document, true));
        if (++count < ROWS_AT_ONCE)
            continue;
        ok = store_insert_all(session, schema, rows, error);
        cJSON_Delete(rows);
        rows = cJSON_CreateArray();
        count = 0;
    }
    ok = ok && (count == 0 || store_insert_all(session, schema, rows, error));
    cJSON_Delete(rows);
    return ok;
}

/* The row is read again under lock: its keys of this very moment belong into the event. */
static bool update_one(struct store_session *session, const struct declared *entity,
                       struct store_error *error)
{
    const char *id = document_text(entity->document, "id");
    cJSON *old = NULL;

    if (!store_find(session, entity->schema, "id", str_of(id), STORE_FOR_UPDATE, &old, error))
        return false;
    bool ok = old != NULL ? store_update(session, entity->schema, old, entity->document, error)
                          : store_insert(session, entity->schema, entity->document, error);
    cJSON_Delete(old);
    return ok;
}

static bool write_all(struct store_session *session, const struct declaration *declaration,
                      struct store_error *error)
{
    for (size_t i = 0; i < declaration->order_count; i++) {
        const struct schema *schema = declaration->order[i];
        for (size_t k = 0; k < declaration->count; k++) {
            const struct declared *entity = &declaration->at[k];
            if (entity->schema == schema && entity->old != NULL && entity->is_changed &&
                !update_one(session, entity, error))
                return false;
        }
        if (!insert_new(session, declaration, schema, error))
            return false;
    }
    return true;
}

/* Inside the transaction; may run again from the top. */
static bool import_body(struct store_session *session, void *arg, struct store_error *error)
{
    struct import *import = arg;

    declaration_free(import->declaration);
    import->declaration = NULL;
    if (!declaration_read(buf_str(&import->text), import->working->schemas, &import->declaration,
                          &import->err))
        return false;
    struct declaration *declaration = import->declaration;
    for (size_t i = 0; i < declaration->order_count; i++) {
        struct stored_rows rows = {.declaration = declaration, .schema = declaration->order[i]};
        if (!store_read_all(session, rows.schema, add_stored, &rows, error))
            return false;
    }
    return declaration_resolve(declaration, now_us()) && write_all(session, declaration, error);
}

static void import_job(struct store_session *session, void *arg)
{
    struct import *import = arg;
    struct outbox_receipt receipt;

    import->is_good = store_transact(session, import_body, import, &receipt, &import->error);
}

static int say_failure(const struct import *import)
{
    const struct store_error *error = &import->error;

    if (error->failure == STORE_UNKNOWN_OUTCOME)
        return command_fail("the answer to COMMIT was lost; import again: %s", error->err.text);
    if (error->failure != STORE_OK)
        return command_fail("nothing was imported: %s", error->err.text);
    if (import->declaration == NULL)
        return command_fail("%s", import->err.text);
    return say_problems(import->working, import->declaration);
}

static int run_import(struct working *working)
{
    struct import import = {.working = working};
    struct err err;
    int result = 0;

    if (!read_file(working->file, &import.text, &err)) {
        result = command_fail("%s", err.text);
    } else if (!migrations_ready(working->line, working->config)) {
        result = 1; /* it has said why */
    } else if (!store_job_run(working->config, working->schemas, import_job, &import, &err)) {
        result = command_fail("%s", err.text);
    } else {
        result = import.is_good ? 0 : say_failure(&import);
    }
    if (result == 0)
        puts("import successful");
    store_error_fini(&import.error);
    declaration_free(import.declaration);
    buf_fini(&import.text);
    return result;
}

/* ---- db_export ---- */

struct export
{
    const struct schemas *schemas;
    const struct schema *schema; /* being read */
    cJSON *root, *list;
};

static bool export_row(void *arg, const cJSON *document, struct err *err)
{
    struct export *export = arg;

    (void)err;
    (void)cJSON_AddItemToArray(export->list, declaration_show(export->schema, document));
    return true;
}

static bool export_body(struct pg_session *view, void *arg, struct err *err)
{
    struct export *export = arg;
    const struct schema *order[SCHEMA_MAX_COUNT];
    size_t count = declaration_order(export->schemas, order);

    for (size_t i = 0; i < count; i++) {
        export->schema = order[i];
        export->list = cJSON_CreateArray();
        bool ok = store_view_all(view, order[i], export_row, export, err);
        if (export->list->child != NULL)
            (void)cJSON_AddItemToObject(export->root, order[i]->name, export->list);
        else
            cJSON_Delete(export->list);
        if (!ok)
            return false;
    }
    return true;
}

static bool print_export(const char *name, const cJSON *root, struct buf *text, struct err *err)
{
    size_t length = strlen(name);

    if (length < 5 || strcmp(name + length - 5, ".json") != 0)
        return yaml_write(root, text, err);
    char *json = document_print(root);
    buf_add_text(text, json);
    buf_add_byte(text, '\n');
    cJSON_free(json);
    return true;
}

static int run_export(struct working *working)
{
    const char *name = working->file != NULL ? working->file : default_file;
    struct export export = {.schemas = working->schemas, .root = cJSON_CreateObject()};
    struct pg_options primary;
    struct buf text = {0};
    struct err err;
    int result = 0;

    database_options(working->config, false, &primary);
    (void)cJSON_AddStringToObject(export.root, "_format_version", "3.0");
    (void)cJSON_AddFalseToObject(export.root, "_transform"); /* secrets are as they are stored */
    if (access(name, F_OK) == 0)
        result = command_fail("%s already exists, and is not overwritten", name);
    else if (!migrations_ready(working->line, working->config))
        result = 1; /* it has said why */
    else if (!store_look(&primary, working->config->pg_timeout, export_body, &export, &err) ||
             !print_export(name, export.root, &text, &err) || !write_file(name, buf_str(&text), &err))
        result = command_fail("%s", err.text);
    buf_fini(&text);
    cJSON_Delete(export.root);
    return result;
}

/* ---- the command ---- */

static const struct verb {
    const char *name, *alias;
    int (*run)(struct working *working);
    bool needs_file, needs_schemas;
} verbs[] = {
    {"init", NULL, run_init, false, false},
    {"parse", NULL, run_parse, true, true},
    {"db_import", "db-import", run_import, true, true},
    {"db_export", "db-export", run_export, false, true},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < COUNT(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0 || (verbs[i].alias != NULL && strcmp(verbs[i].alias, name) == 0))
            return &verbs[i];
    return NULL;
}

int command_declarative(const struct command_line *line)
{
    struct working working = {.line = line, .file = line->word_count > 1 ? line->words[1] : NULL};
    const char *name = line->word_count > 0 ? line->words[0] : "";
    const struct verb *verb = find_verb(name);

    if (verb == NULL)
        return command_fail("No such command for config: %s", name);
    if (verb->needs_file && working.file == NULL)
        return command_fail("config %s needs the name of a file", verb->name);
    if (verb->needs_schemas) {
        working.config = command_config(line, line->file);
        if (working.config == NULL)
            return 1;
        working.schemas = line->program->schemas(working.config);
    }
    int result = verb->run(&working);
    schemas_free(working.schemas);
    config_free(working.config);
    return result;
}
