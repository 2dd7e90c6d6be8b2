#pragma once

/*
 * tables - the commands and the options there are, for who runs them, prints them, or writes pages and
 * completions from them (describe.c).
 *
 * Threads: constant.
 */

#include <stddef.h>

struct command_line;

struct command {
    const char *name;
    int (*run)(const struct command_line *line);
    const char *verbs;     /* what its first word may be, separated by blanks; "": it has none */
    const char *arguments; /* further words, as a usage line has them */
    const char *options;   /* their long names, separated by blanks, in the order they are listed */
    const char *summary;
    const char *details; /* for the manual page; "": nothing more to say */
};
extern const struct command commands[];
extern const size_t command_count;

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_SECONDS
};

struct option {
    const char *name, *short_name; /* NULL: none */
    enum option_kind kind;
    size_t offset;        /* in struct command_line */
    const char *argument; /* what its value is called; NULL: it has none */
    const char *meaning;
};
extern const struct option options[];
extern const size_t option_count;
