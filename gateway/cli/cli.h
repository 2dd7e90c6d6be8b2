#pragma once

/*
 * cli - the command line: one table of commands, one of options.
 *
 * Exit status 0 is success, 1 failure, others as a command says. A failure prints "Error: ..." on stderr.
 *
 * Threads: main, before a node runs.
 */

#include <stdbool.h>

struct config;
struct config_problems;
struct handover;
struct schemas;

/* How a node is to be run; serve() is node.h's. */
struct cli_start {
    struct config *config; /* serve() owns it */
    const char *file;      /* settings file as given with -c, NULL: standard places; for reload */
    const char *prefix;    /* as given with -p, or NULL */
    bool to_file;          /* log to the prefix instead of stderr */
    int lock;              /* open pid file (prefix.h); serve() owns it */
    char *const *argv;     /* of the program, for an upgrade */
    const struct handover
        *handover; /* what the program before this one has left (handover.h); NULL: nothing */
    /* Called once when the node serves (error NULL) or cannot; then no more. */
    void (*ready)(void *arg, const char *error);
    void *arg;
};

/* What commands want of the program; handed in by main(). */
struct cli_program {
    int (*serve)(const struct cli_start *start);
    /* The entities and plugins that these settings enable; the caller owns them. */
    struct schemas *(*schemas)(const struct config *config);
    /* Settings that are right by themselves: are the files they name? False: problems says what is not. */
    bool (*check)(const struct config *config, struct config_problems *problems);
};

int cli_main(int argc, char **argv, const struct cli_program *program);
