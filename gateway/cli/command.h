#pragma once

/*
 * command - what the files of this folder share: the parsed command line and the functions of the table of
 * commands (tables.h).
 *
 * Threads: main.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/cli/cli.h"

enum {
    COMMAND_WORDS_MAX = 4
};

struct command_line {
    const char *file;   /* -c */
    const char *prefix; /* -p */
    const char *url;    /* --url */
    const char *words[COMMAND_WORDS_MAX];
    int word_count;
    bool run_migrations, daemon, yes, quiet, force, all, describe, watch, json;
    int64_t db_timeout_s, lock_timeout_s, timeout_s, wait_s;
    char *const *argv; /* of the program */
    const struct cli_program *program;
};

/* Prints "Error: ..." and returns 1. */
int command_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* Loads the settings or prints each problem; NULL: there were some. The caller owns it. */
struct config *command_config(const struct command_line *line, const char *file);
/* The same for commands that start a node: also reads the files that the settings name. */
struct config *command_whole_config(const struct command_line *line, const char *file);
/* Waits that long; signals may end it early. */
void command_pause_ms(int64_t milliseconds);

int command_start(const struct command_line *line);
int command_restart(const struct command_line *line);
int command_prepare(const struct command_line *line);
int command_stop(const struct command_line *line);
int command_quit(const struct command_line *line);
int command_upgrade(const struct command_line *line);
int command_reload(const struct command_line *line);
int command_health(const struct command_line *line);
/* health --url: does somebody there answer, with no 5xx, within -t seconds? */
int command_ask(const struct command_line *line);
int command_check(const struct command_line *line);
int command_version(const struct command_line *line);
int command_migrations(const struct command_line *line);
int command_cluster(const struct command_line *line);
int command_db(const struct command_line *line);
int command_describe(const struct command_line *line);
int command_declarative(const struct command_line *line);
/* For start: the database must be there and have our schema; with --run-migrations it is brought up to date.
 */
bool migrations_ready(const struct command_line *line, const struct config *config);
