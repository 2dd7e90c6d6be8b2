#pragma once

/*
 * terminal - runs commands of the program in the test's process and keeps what they print; a directory of the
 * test's own to run them in.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"
#include "gateway/model/schema.h"

enum {
    TERMINAL_TEXT_MAX = 1 << 16
};

static struct terminal {
    char directory[64];
    char prefix[80];
    char file[80]; /* freshet.conf in the directory */
    char out[TERMINAL_TEXT_MAX], err[TERMINAL_TEXT_MAX];
    int served; /* how often a node was to be run */
} terminal;

static inline void terminal_write_settings(const char *text)
{
    FILE *file = fopen(terminal.file, "we");
    assert_non_null(file);
    /* A server that refuses at once: nothing listens on port 1. */
    assert_true(fprintf(file, "prefix = %s\npg_host = 127.0.0.1\npg_port = 1\n%s", terminal.prefix, text) >
                0);
    assert_int_equal(fclose(file), 0);
}

static inline int terminal_setup(void **state)
{
    (void)state;
    memset(&terminal, 0, sizeof(terminal));
    (void)snprintf(terminal.directory, sizeof(terminal.directory), "/tmp/freshet-test-cli-XXXXXX");
    assert_non_null(mkdtemp(terminal.directory));
    (void)snprintf(terminal.prefix, sizeof(terminal.prefix), "%s/node", terminal.directory);
    (void)snprintf(terminal.file, sizeof(terminal.file), "%s/freshet.conf", terminal.directory);
    terminal_write_settings("");
    return 0;
}

static inline int terminal_teardown(void **state)
{
    static const char *const places[] = {"node/pids/freshet.pid",
                                         "node/pids",
                                         "node/logs",
                                         "node/ssl",
                                         "node/node_id",
                                         "node/note",
                                         "node/reload_result",
                                         "node",
                                         "freshet.conf",
                                         "bad.conf",
                                         "kong.yml",
                                         "out",
                                         "err"};
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        char path[160];
        (void)snprintf(path, sizeof(path), "%s/%s", terminal.directory, places[i]);
        (void)remove(path);
    }
    assert_int_equal(rmdir(terminal.directory), 0); /* nothing else was made */
    return 0;
}

/* Into `name` of the directory; returns the descriptor that was there. */
static inline int terminal_redirect(FILE *stream, int descriptor, const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", terminal.directory, name);
    assert_int_equal(fflush(stream), 0);
    int kept = dup(descriptor);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(dup2(fileno(file), descriptor) >= 0);
    assert_int_equal(fclose(file), 0);
    return kept;
}

static inline void terminal_restore(FILE *stream, int descriptor, int kept, const char *name, char *text)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", terminal.directory, name);
    (void)fflush(stream);
    assert_true(dup2(kept, descriptor) >= 0);
    close(kept);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, TERMINAL_TEXT_MAX - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

static inline int terminal_serve(const struct cli_start *start)
{
    terminal.served++;
    start->ready(start->arg, NULL);
    close(start->lock);
    config_free(start->config);
    return 0;
}

static inline struct schemas *terminal_schemas(const struct config *config)
{
    struct schemas *schemas = schemas_new();
    (void)config;
    schemas_add_core(schemas);
    return schemas;
}

/* freshet WORD...; NULL ends. Returns the exit status. */
static inline int terminal_run(const char *first, ...)
{
    char *words[16] = {mem_strdup("freshet")};
    int count = 1;
    va_list more;
    va_start(more, first);
    for (const char *word = first; word != NULL; word = va_arg(more, const char *))
        words[count++] = mem_strdup(word);
    va_end(more);
    int out = terminal_redirect(stdout, STDOUT_FILENO, "out");
    int err = terminal_redirect(stderr, STDERR_FILENO, "err");
    static const struct cli_program program = {.serve = terminal_serve, .schemas = terminal_schemas};
    int status = cli_main(count, words, &program);
    terminal_restore(stdout, STDOUT_FILENO, out, "out", terminal.out);
    terminal_restore(stderr, STDERR_FILENO, err, "err", terminal.err);
    for (int i = 0; i < count; i++)
        free(words[i]);
    return status;
}

/* Everything the last command printed; "%s" in both stands for `place`. */
static inline void terminal_assert(const char *out, const char *err)
{
    assert_string_equal(terminal.out, out);
    assert_string_equal(terminal.err, err);
}

static inline const char *terminal_text(char text[512], const char *format, const char *place)
{
    size_t len = 0;
    for (const char *at = format; *at != '\0' && len < 511; at++) {
        if (at[0] == '%' && at[1] == 's') {
            len += (size_t)snprintf(text + len, 512 - len, "%s", place);
            at++;
        } else {
            text[len++] = *at;
        }
    }
    text[len] = '\0';
    return text;
}
