/*
 * start - everything before a node runs: settings, working directory, database, and the step into the
 * background.
 *
 * With --daemon the parent waits until the child says that it serves, so "Freshet started" means just that.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/err.h"
#include "gateway/base/mem.h"
#include "gateway/cli/command.h"
#include "gateway/cli/handover.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"

/* Foreground: errors go to stderr, success is a line in the log. */
static void say_ready(void *arg, const char *error)
{
    (void)arg;
    if (error != NULL)
        command_fail("%s", error);
}

/* Background: a byte, or the error, to the parent. */
static void tell_parent(void *arg, const char *error)
{
    int pipe_end = *(const int *)arg;
    const char *text = error != NULL ? error : "+";
    ssize_t written = write(pipe_end, text, strlen(text));
    (void)written; /* a parent that has gone needs no answer */
    close(pipe_end);
}

/* The terminal is given up; stderr becomes the log as soon as the node opens it. */
static void leave_terminal(void)
{
    (void)setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

static int serve_in_background(const struct command_line *line, struct cli_start *start)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return command_fail("cannot make a pipe: %s", strerror(errno));
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return command_fail("cannot fork: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        leave_terminal();
        start->ready = tell_parent;
        start->arg = &ends[1];
        start->to_file = true;
        exit(line->program->serve(start)); /* the node frees what it was given */
    }
    config_free(start->config);
    close(start->lock);
    close(ends[1]);
    char text[512];
    ssize_t len = 0;
    do
        len = read(ends[0], text, sizeof(text) - 1);
    while (len < 0 && errno == EINTR);
    close(ends[0]);
    text[len > 0 ? len : 0] = '\0';
    if (strcmp(text, "+") == 0) {
        puts("Freshet started");
        return 0;
    }
    return command_fail("%s", text[0] != '\0' ? text : "the node ended while starting; see its log");
}

static bool prepare(const struct config *config)
{
    struct err err;
    if (!prefix_prepare(config->prefix, &err)) {
        command_fail("%s", err.text);
        return false;
    }
    return true;
}

int command_prepare(const struct command_line *line)
{
    struct config *config = command_config(line, line->file);
    if (config == NULL)
        return 1;
    int result = prepare(config) ? 0 : 1;
    config_free(config);
    return result;
}

/* Nobody waits for a program that takes the place of another one: the node says itself what came of it. */
static void say_nothing(void *arg, const char *error)
{
    (void)arg;
    (void)error;
}

/* In the process, and with the lock, of the program before this one. */
static int take_over(const struct command_line *line, struct cli_start *start,
                     const struct handover *handover)
{
    start->handover = handover;
    start->lock = handover->lock;
    start->to_file = line->daemon;
    start->ready = say_nothing;
    return line->program->serve(start);
}

static int try_to_start(const struct command_line *line, struct config *config)
{
    bool ready = migrations_ready(line, config);
    config_free(config);
    return ready ? 0 : 1;
}

static int start_anew(const struct command_line *line, struct cli_start *start)
{
    struct config *config = start->config;
    struct err err;
    if (!prepare(config)) {
        config_free(config);
        return 1;
    }
    if (!prefix_lock(config->prefix, &start->lock, &err)) {
        config_free(config);
        return command_fail("%s", err.text);
    }
    if (!migrations_ready(line, config)) {
        close(start->lock);
        config_free(config);
        return 1;
    }
    return line->daemon ? serve_in_background(line, start) : line->program->serve(start);
}

int command_start(const struct command_line *line)
{
    struct handover handover;
    handover_take(&handover);
    struct config *config = command_whole_config(line, line->file);
    if (config == NULL)
        return command_fail("the settings above are wrong; nothing was started");
    struct cli_start start = {.config = config,
                              .file = line->file,
                              .prefix = line->prefix,
                              .ready = say_ready,
                              .lock = -1,
                              .argv = line->argv};
    if (handover.is_trial)
        return try_to_start(line, config);
    return handover.is_needed ? take_over(line, &start, &handover) : start_anew(line, &start);
}

int command_restart(const struct command_line *line)
{
    struct command_line again = *line;
    again.daemon = true;
    struct config *config = command_whole_config(line, line->file);
    if (config == NULL)
        return 1;
    bool running = prefix_running(config->prefix) != 0;
    config_free(config);
    if (running && command_stop(line) != 0)
        return 1;
    return command_start(&again);
}
