/*
 * handover - see handover.h.
 */

#include "gateway/cli/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/str.h"

static const char variable[] = "FRESHET_HANDOVER";
static const char secret_variable[] = "FRESHET_HANDOVER_SECRET"; /* a descriptor */
static const char trial[] = "trial";

static bool next_number(struct str *rest, int64_t *number)
{
    const char *blank = memchr(rest->at, ' ', rest->len);
    struct str word = {rest->at, blank != NULL ? (size_t)(blank - rest->at) : rest->len};

    *rest = (struct str){word.at + word.len, rest->len - word.len};
    if (rest->len > 0)
        *rest = (struct str){rest->at + 1, rest->len - 1};
    return str_to_int(word, number);
}

/* "pid lock worker restarts socket..." */
static bool read_numbers(struct str text, struct handover *handover)
{
    int64_t head[4];
    int64_t socket;

    for (size_t i = 0; i < COUNT(head); i++)
        if (!next_number(&text, &head[i]))
            return false;
    if (head[0] != getpid())
        return false; /* left in the environment of somebody else */
    handover->lock = (int)head[1];
    handover->worker = (pid_t)head[2];
    handover->restarts = (uint64_t)head[3];
    while (handover->socket_count < HANDOVER_SOCKETS_MAX && next_number(&text, &socket))
        handover->sockets[handover->socket_count++] = (int)socket;
    return true;
}

static void set_close_on_exec(const struct handover *handover, int flags)
{
    (void)fcntl(handover->lock, F_SETFD, flags); /* an open descriptor: cannot fail */
    for (size_t i = 0; i < handover->socket_count; i++)
        (void)fcntl(handover->sockets[i], F_SETFD, flags);
}

static void take_secret(struct handover *handover)
{
    const char *text = getenv(secret_variable);
    int64_t fd;

    if (text == NULL || !handover->is_needed || !str_to_int(str_of(text), &fd))
        return;
    handover->has_secret =
        pread((int)fd, handover->secret, sizeof(handover->secret), 0) == (ssize_t)sizeof(handover->secret);
    (void)close((int)fd);
}

/* -1: it stays behind, and sessions of TLS with it. */
static int leave_secret(const struct handover *handover)
{
    char text[16];
    int fd = memfd_create("handover", 0);

    if (fd < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "%d", fd);
    if (write(fd, handover->secret, sizeof(handover->secret)) == (ssize_t)sizeof(handover->secret) &&
        setenv(secret_variable, text, 1) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

void handover_take(struct handover *handover)
{
    const char *text = getenv(variable);

    *handover = (struct handover){.lock = -1};
    if (text == NULL)
        return;
    handover->is_trial = strcmp(text, trial) == 0;
    handover->is_needed = !handover->is_trial && read_numbers(str_of(text), handover);
    if (handover->is_needed)
        set_close_on_exec(handover, FD_CLOEXEC);
    take_secret(handover);
    (void)unsetenv(variable);
    (void)unsetenv(secret_variable);
}

pid_t handover_try(char *const *argv)
{
    sigset_t none;
    pid_t pid = fork();

    if (pid != 0)
        return pid > 0 ? pid : 0;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (setenv(variable, trial, 1) == 0)
        (void)execvp(argv[0], argv);
    (void)fprintf(stderr, "Error: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(1);
}

void handover_do(char *const *argv, const struct handover *handover, struct err *err)
{
    struct buf text = {0};

    buf_printf(&text, "%d %d %d %" PRIu64, (int)getpid(), handover->lock, (int)handover->worker,
               handover->restarts);
    for (size_t i = 0; i < handover->socket_count; i++)
        buf_printf(&text, " %d", handover->sockets[i]);
    set_close_on_exec(handover, 0);
    int secret = leave_secret(handover);
    if (setenv(variable, buf_str(&text).at, 1) == 0)
        (void)execvp(argv[0], argv);
    (void)err_set(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(errno));
    (void)unsetenv(variable);
    (void)unsetenv(secret_variable);
    if (secret >= 0)
        (void)close(secret);
    set_close_on_exec(handover, FD_CLOEXEC);
    buf_fini(&text);
}
