/*
 * process - commands that act on the node running in a prefix. They find it by the locked pid file and speak
 * to it by signals: TERM ends it at once, QUIT lets running requests finish, HUP applies changed settings.
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

/* What the node wrote about its reload; "error" in the first line: nothing was applied. */
static int print_reload_result(const char *prefix)
{
    char *text = NULL;
    for (int64_t waited = 0; text == NULL && waited < RELOAD_LIMIT_MS; waited += STEP_MS) {
        command_pause_ms(STEP_MS);
        text = prefix_read(prefix, "reload_result");
    }
    if (text == NULL)
        return command_fail("the node has not said what became of the reload; see its log");
    bool refused = strncmp(text, "[error]", 7) == 0;
    (void)fputs(text, refused ? stderr : stdout);
    free(text);
    if (refused)
        return command_fail("nothing was changed");
    puts("Freshet reloaded");
    return 0;
}

int command_reload(const struct command_line *line)
{
    pid_t pid;
    char *prefix = find_running(line, &pid);
    if (prefix == NULL)
        return 1;
    char *path = prefix_path(prefix, "reload_result");
    (void)unlink(path);
    free(path);
    int result = kill(pid, SIGHUP) == 0
                     ? print_reload_result(prefix)
                     : command_fail("cannot signal process %d: %s", (int)pid, strerror(errno));
    free(prefix);
    return result;
}

int command_health(const struct command_line *line)
{
    pid_t pid;
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
