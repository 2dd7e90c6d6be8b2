/*
 * process - commands that act on the node running in a prefix. They find it by the locked pid file and speak
 * to it by signals: TERM ends it at once, QUIT lets running requests finish, HUP applies changed settings,
 * USR2 puts the program there is now in its place.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/cli/command.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"

enum {
    STOP_LIMIT_MS = 10000,
    RELOAD_LIMIT_MS = 10000,
    UPGRADE_LIMIT_MS = 120000, /* two programs wait for the database, one after the other */
    STEP_MS = 20
};

/* With -p nothing is read: a node must be stoppable whatever has become of its settings. */
static char *name_prefix(const struct command_line *line)
{
    if (line->prefix != NULL)
        return mem_strdup(line->prefix);
    struct config *config = command_config(line, line->file);
    char *prefix = config != NULL ? mem_strdup(config->prefix) : NULL;
    config_free(config);
    return prefix;
}

/* The prefix that is meant and the process in it. NULL: message printed. The caller owns it. */
static char *find_prefix(const struct command_line *line, pid_t *pid)
{
    char *prefix = name_prefix(line);
    if (prefix != NULL && !prefix_exists(prefix)) {
        command_fail("no such prefix: %s", prefix);
        free(prefix);
        return NULL;
    }
    *pid = prefix != NULL ? prefix_running(prefix) : 0;
    return prefix;
}

/* As find_prefix(), and something must run there. */
static char *find_running(const struct command_line *line, pid_t *pid)
{
    char *prefix = find_prefix(line, pid);
    if (prefix != NULL && *pid == 0) {
        command_fail("Freshet is not running in %s", prefix);
        free(prefix);
        return NULL;
    }
    return prefix;
}

/* Until no process holds the prefix any more. */
static bool wait_for_end(const char *prefix, int64_t limit_ms)
{
    for (int64_t waited = 0; prefix_running(prefix) != 0; waited += STEP_MS) {
        if (waited >= limit_ms)
            return false;
        command_pause_ms(STEP_MS);
    }
    return true;
}

int command_stop(const struct command_line *line)
{
    pid_t pid;
    char *prefix = find_running(line, &pid);
    if (prefix == NULL)
        return 1;
    int result = 0;
    if (kill(pid, SIGTERM) != 0)
        result = command_fail("cannot signal process %d: %s", (int)pid, strerror(errno));
    else if (!wait_for_end(prefix, STOP_LIMIT_MS))
        result = command_fail("process %d does not end", (int)pid);
    else
        puts("Freshet stopped");
    free(prefix);
    return result;
}

int command_quit(const struct command_line *line)
{
    pid_t pid;
    char *prefix = find_running(line, &pid);
    if (prefix == NULL)
        return 1;
    command_pause_ms(line->wait_s * 1000);
    int result = 0;
    if (kill(pid, SIGQUIT) != 0) {
        result = command_fail("cannot signal process %d: %s", (int)pid, strerror(errno));
    } else if (wait_for_end(prefix, line->timeout_s * 1000)) {
        puts("Freshet stopped (gracefully)");
    } else {
        (void)kill(pid, SIGTERM);
        if (!wait_for_end(prefix, STOP_LIMIT_MS))
            (void)kill(pid, SIGKILL);
        puts("Timeout, Freshet stopped forcefully");
    }
    free(prefix);
    return result;
}

/* Orders that the node answers with a file; "error" in its first line: nothing was changed. */
static const struct order {
    int signal;
    const char *answer;
    int64_t limit_ms;
    const char *success;
} reload_order = {SIGHUP, "reload_result", RELOAD_LIMIT_MS, "Freshet reloaded"},
  upgrade_order = {SIGUSR2, "upgrade_result", UPGRADE_LIMIT_MS, "Freshet upgraded"};

static int print_answer(const char *prefix, const struct order *order)
{
    char *text = NULL;
    for (int64_t waited = 0; text == NULL && waited < order->limit_ms; waited += STEP_MS) {
        command_pause_ms(STEP_MS);
        text = prefix_read(prefix, order->answer);
    }
    if (text == NULL)
        return command_fail("the node has not said what became of it; see its log");
    bool refused = strncmp(text, "[error]", 7) == 0;
    (void)fputs(text, refused ? stderr : stdout);
    free(text);
    if (refused)
        return command_fail("nothing was changed");
    puts(order->success);
    return 0;
}

static int give_order(const struct command_line *line, const struct order *order)
{
    pid_t pid;
    char *prefix = find_running(line, &pid);
    if (prefix == NULL)
        return 1;
    char *path = prefix_path(prefix, order->answer);
    (void)unlink(path);
    free(path);
    int result = kill(pid, order->signal) == 0
                     ? print_answer(prefix, order)
                     : command_fail("cannot signal process %d: %s", (int)pid, strerror(errno));
    free(prefix);
    return result;
}

int command_reload(const struct command_line *line)
{
    return give_order(line, &reload_order);
}

int command_upgrade(const struct command_line *line)
{
    return give_order(line, &upgrade_order);
}

int command_health(const struct command_line *line)
{
    pid_t pid;
    if (line->url != NULL)
        return command_ask(line);
    char *prefix = find_prefix(line, &pid);
    if (prefix == NULL)
        return 1;
    int result = 0;
    if (pid == 0)
        result = command_fail("Freshet is not running at %s", prefix);
    else
        printf("freshet.......running\n\nFreshet is healthy at %s\n", prefix);
    free(prefix);
    return result;
}
