/*
 * cluster - the commands `cluster status`, `db touch` and `db fork`: what the log says of all nodes, and the
 * two things an operator has to tell it.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "gateway/base/mem.h"
#include "gateway/cli/command.h"
#include "gateway/cli/store_job.h"
#include "gateway/config/config.h"
#include "gateway/model/document.h"
#include "gateway/store/cluster.h"
#include "gateway/store/store.h"

enum {
    WATCH_PAUSE_MS = 1000
};

struct asking {
    const struct command_line *line;
    struct config *config;
    struct schemas *schemas;
    /* touch: */
    const struct schema *schema; /* NULL: everything */
    struct uuid id;
    bool has_id;
    /* What the job found out. */
    bool ok;
    struct store_error error;
    cJSON *position, *nodes;
    struct outbox_receipt receipt;
    char *history;
};

/* Runs it; says what went wrong. Returns the program's exit status. */
static int run(struct asking *asking, void (*work)(struct store_session *session, void *arg))
{
    struct err err;

    if (!migrations_ready(asking->line, asking->config))
        return 1; /* it has said why */
    if (!store_job_run(asking->config, asking->schemas, work, asking, &err))
        return command_fail("%s", err.text);
    return asking->ok ? 0 : command_fail("%s", asking->error.err.text);
}

/* ---- cluster status ---- */

static void look(struct store_session *session, void *arg)
{
    struct asking *asking = arg;

    asking->ok = store_cluster_position(session, &asking->position, &asking->error) &&
                 store_cluster_nodes(session, &asking->nodes, &asking->error);
}

static void forget(struct asking *asking)
{
    cJSON_Delete(asking->position);
    cJSON_Delete(asking->nodes);
    asking->position = asking->nodes = NULL;
}

static double number_of(const cJSON *object, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text != NULL ? text : "-";
}

/* "-" for null. */
static const char *whole(const cJSON *object, const char *name, char text[32])
{
    if (!cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(object, name)))
        return "-";
    (void)snprintf(text, 32, "%.0f", number_of(object, name));
    return text;
}

static void print_node(const cJSON *node)
{
    const cJSON *lag = cJSON_GetObjectItemCaseSensitive(node, "lag");
    char position[32], behind[32];

    printf("%-24.24s %-8s %10s %8s %9.1fs %-10s %-5s %7.1fs  %s\n", text_of(node, "name"),
           text_of(node, "state"), whole(node, "position", position), whole(lag, "events", behind),
           number_of(lag, "seconds"), text_of(node, "mode"), text_of(node, "channel"),
           number_of(node, "silent_seconds"), text_of(node, "version"));
}

static void print_table(const struct asking *asking)
{
    const cJSON *node;
    char nodes[32], head[32], everywhere[32];

    printf("history %s, newest position %s, %s nodes, all have applied %s\n\n",
           text_of(asking->position, "history"), whole(asking->position, "head", head),
           whole(asking->position, "nodes", nodes),
           whole(asking->position, "applied_everywhere", everywhere));
    printf("%-24s %-8s %10s %8s %10s %-10s %-5s %8s  %s\n", "NAME", "STATE", "POSITION", "BEHIND", "FOR",
           "MODE", "LINE", "SILENT", "VERSION");
    cJSON_ArrayForEach(node, asking->nodes) print_node(node);
}

static void print_json(struct asking *asking)
{
    cJSON *whole_give = asking->position;

    asking->position = NULL;
    (void)cJSON_AddItemToObject(whole_give, "members", asking->nodes);
    asking->nodes = NULL;
    char *text = cJSON_PrintUnformatted(whole_give);
    puts(text);
    free(text);
    cJSON_Delete(whole_give);
}

/* While watching, a database that is away for a while is waited for. */
static int show(struct asking *asking)
{
    int result = run(asking, look);

    if (result == 0 && asking->line->json)
        print_json(asking);
    else if (result == 0)
        print_table(asking);
    forget(asking);
    store_error_fini(&asking->error);
    return result;
}

static int run_status(struct asking *asking)
{
    bool on_screen = isatty(STDOUT_FILENO) == 1;

    if (!asking->line->watch)
        return show(asking);
    for (;;) {
        if (on_screen)
            (void)fputs("\033[H\033[2J", stdout);
        (void)show(asking);
        if (fflush(stdout) != 0)
            return 1; /* nobody reads any more */
        command_pause_ms(WATCH_PAUSE_MS);
    }
}

/* ---- db touch ---- */

static void touch(struct store_session *session, void *arg)
{
    struct asking *asking = arg;
    const char *name = asking->schema != NULL ? asking->schema->name : NULL;

    asking->ok =
        store_touch(session, name, asking->has_id ? &asking->id : NULL, &asking->receipt, &asking->error);
}

/*
 * Of what is looked up by its values one row is not enough to tell: under which of them it was remembered
 * before it was written by hand, nobody knows. Routing entities are known by their ids.
 */
static int run_touch(struct asking *asking)
{
    const struct command_line *line = asking->line;
    const char *name = line->word_count > 1 ? line->words[1] : NULL;

    if (name != NULL && (asking->schema = schemas_find(asking->schemas, str_of(name))) == NULL)
        return command_fail("there is no kind of entity '%s'", name);
    if (line->word_count > 2) {
        if (!uuid_from_str(str_of(line->words[2]), &asking->id))
            return command_fail("'%s' is no id", line->words[2]);
        asking->has_id = asking->schema->is_routing;
    }
    int result = run(asking, touch);
    if (result == 0)
        printf("every node is told; position %" PRIu64 "\n", asking->receipt.position);
    return result;
}

/* ---- db fork ---- */

static void fork_database(struct store_session *session, void *arg)
{
    struct asking *asking = arg;

    asking->ok = store_fork(session, &asking->history, &asking->error);
}

static int run_fork(struct asking *asking)
{
    if (!asking->line->yes)
        return command_fail(
            "this gives the database %s another identity, and all its nodes load everything anew; "
            "say --yes",
            asking->config->pg_database);
    int result = run(asking, fork_database);
    if (result == 0)
        printf("the database has a history of its own; history %s\n", asking->history);
    free(asking->history);
    return result;
}

/* ---- the commands ---- */

static int run_verb(const struct command_line *line, int (*verb)(struct asking *asking))
{
    struct asking asking = {.line = line, .config = command_config(line, line->file)};

    if (asking.config == NULL)
        return 1;
    asking.schemas = line->program->schemas(asking.config);
    int result = verb(&asking);
    store_error_fini(&asking.error);
    schemas_free(asking.schemas);
    config_free(asking.config);
    return result;
}

int command_cluster(const struct command_line *line)
{
    if (line->word_count != 1 || strcmp(line->words[0], "status") != 0)
        return command_fail("cluster: status is all there is to ask for");
    return run_verb(line, run_status);
}

int command_db(const struct command_line *line)
{
    const char *verb = line->word_count > 0 ? line->words[0] : "";

    if (strcmp(verb, "touch") == 0 && line->word_count <= 3)
        return run_verb(line, run_touch);
    if (strcmp(verb, "fork") == 0 && line->word_count == 1)
        return run_verb(line, run_fork);
    return command_fail("db: touch [ENTITY [ID]] or fork");
}
