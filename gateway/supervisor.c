/*
 * supervisor - see supervisor.h.
 *
 * One loop waits for signals (as a descriptor) and for the worker's words. A word is one message of a
 * SOCK_SEQPACKET pair; what a worker said before it died is heard before its death is.
 */

#include "gateway/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"

enum {
    FIRST_PAUSE_MS = 250,
    LONGEST_PAUSE_MS = 30000,
    WORD_BYTES = 512,
};

/* First bytes of words. */
enum {
    WORD_READY = '+',
    WORD_FAILURE = '!', /* the rest is the reason */
    WORD_RELOADED = 'r',
};

struct supervisor {
    const struct supervisor_options *options;
    int signals;             /* signalfd */
    pid_t worker;            /* 0: none */
    int words;               /* from the worker; -1: none */
    int64_t serves_since_ms; /* 0: it does not yet */
    int64_t start_at_ms;     /* with no worker: when the next one is due */
    unsigned crashes;        /* in a row */
    uint64_t restarts;
    bool has_started; /* the first worker has served, or failed */
    bool is_ending;   /* no worker is started any more */
    int status;
    char failure[WORD_BYTES]; /* why the worker could not serve; "": it has not said */
};

static int64_t now_ms(void)
{
    return clock_now_ms(clock_system());
}

int64_t supervisor_pause_ms(unsigned crashes)
{
    int64_t pause_ms = FIRST_PAUSE_MS;

    if (crashes <= 1)
        return 0;
    for (unsigned i = 2; i < crashes && pause_ms < LONGEST_PAUSE_MS; i++)
        pause_ms *= 2;
    return pause_ms < LONGEST_PAUSE_MS ? pause_ms : LONGEST_PAUSE_MS;
}

/* ---- the worker's side ---- */

static void tell(const struct supervisor_link *link, char kind, const char *text)
{
    char word[WORD_BYTES];
    int length = snprintf(word, sizeof(word), "%c%s", kind, text);
    size_t size = (size_t)length < sizeof(word) ? (size_t)length : sizeof(word) - 1;

    (void)send(link->fd, word, size, MSG_NOSIGNAL); /* a supervisor that is gone has taken us along */
}

void worker_tell_ready(const struct supervisor_link *link)
{
    tell(link, WORD_READY, "");
}

void worker_tell_failure(const struct supervisor_link *link, const char *error)
{
    tell(link, WORD_FAILURE, error);
}

void worker_tell_reloaded(const struct supervisor_link *link)
{
    tell(link, WORD_RELOADED, "");
}

/* In the new process. It keeps nothing of the supervisor's but what `work` knows of. */
static void live_as_worker(struct supervisor *supervisor, const struct supervisor_link *link)
{
    sigset_t child;

    /* A supervisor that is killed cannot say so: its worker, and with it the ports, must not stay behind. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != link->supervisor)
        _exit(1);
    close(supervisor->signals);
    if (supervisor->words >= 0)
        close(supervisor->words);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_UNBLOCK, &child, NULL);
    exit(supervisor->options->work(supervisor->options->arg, link));
}

/* ---- starting ---- */

static bool start_worker(struct supervisor *supervisor)
{
    int ends[2];
    struct supervisor_link link = {.supervisor = getpid(), .restarts = supervisor->restarts};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    (void)fflush(NULL); /* else both would write what is buffered */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        link.fd = ends[1];
        live_as_worker(supervisor, &link);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    supervisor->worker = pid;
    supervisor->words = ends[0];
    supervisor->serves_since_ms = 0;
    supervisor->failure[0] = '\0';
    return true;
}

static void say_started(struct supervisor *supervisor, const char *error)
{
    if (!supervisor->has_started)
        supervisor->options->started(supervisor->options->arg, error);
    supervisor->has_started = true;
}

static void start_if_due(struct supervisor *supervisor)
{
    if (supervisor->is_ending || supervisor->worker != 0 || now_ms() < supervisor->start_at_ms)
        return;
    if (start_worker(supervisor)) {
        if (supervisor->crashes > 0)
            log_notice("supervisor: another worker has been started; pid=%d", (int)supervisor->worker);
        return;
    }
    supervisor->crashes++;
    supervisor->start_at_ms = now_ms() + supervisor_pause_ms(supervisor->crashes + 1);
    log_error("supervisor: no worker can be started; error=%s", strerror(errno));
}

/* ---- what the worker says ---- */

static void take_word(struct supervisor *supervisor, const char *word)
{
    switch (word[0]) {
    case WORD_READY:
        supervisor->serves_since_ms = now_ms();
        say_started(supervisor, NULL);
        return;
    case WORD_FAILURE:
        (void)snprintf(supervisor->failure, sizeof(supervisor->failure), "%s", word + 1);
        return;
    case WORD_RELOADED:
        supervisor->options->reloaded(supervisor->options->arg);
        return;
    default:
        return;
    }
}

/* All it has said so far. */
static void hear(struct supervisor *supervisor)
{
    char word[WORD_BYTES];
    ssize_t length = 1;

    while (supervisor->words >= 0 && length > 0) {
        length = recv(supervisor->words, word, sizeof(word) - 1, MSG_DONTWAIT);
        if (length > 0) {
            word[length] = '\0';
            take_word(supervisor, word);
        } else if (length == 0) { /* its end is near */
            close(supervisor->words);
            supervisor->words = -1;
        }
    }
}

/* ---- its end ---- */

static void describe_end(int status, char text[WORD_BYTES])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, WORD_BYTES, "signal=SIG%s core=%s", sigabbrev_np(WTERMSIG(status)),
                       WCOREDUMP(status) ? "dumped" : "none");
    else
        (void)snprintf(text, WORD_BYTES, "exit_status=%d", WEXITSTATUS(status));
}

/* It was told to end, or has never begun: so has the supervisor. */
static void end_with(struct supervisor *supervisor, int status)
{
    supervisor->is_ending = true;
    supervisor->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (!supervisor->has_started) {
        say_started(supervisor, supervisor->failure[0] != '\0'
                                    ? supervisor->failure
                                    : "the node ended while starting; see its log");
        supervisor->status = 1;
    }
}

static void count_crash(struct supervisor *supervisor, int status)
{
    int64_t served_ms = supervisor->serves_since_ms > 0 ? now_ms() - supervisor->serves_since_ms : 0;
    char how[WORD_BYTES];

    if (served_ms >= supervisor->options->crash_memory_ms(supervisor->options->arg))
        supervisor->crashes = 0;
    supervisor->crashes++;
    supervisor->restarts++;
    int64_t pause_ms = supervisor_pause_ms(supervisor->crashes);
    supervisor->start_at_ms = now_ms() + pause_ms;
    describe_end(status, how);
    log_error("supervisor: the worker has ended unasked; %s served_ms=%" PRId64
              " in_a_row=%u next_in_ms=%" PRId64 "%s%s",
              how, served_ms, supervisor->crashes, pause_ms, supervisor->failure[0] != '\0' ? " why=" : "",
              supervisor->failure);
}

static void bury(struct supervisor *supervisor, int status)
{
    hear(supervisor);
    if (supervisor->words >= 0)
        close(supervisor->words);
    supervisor->words = -1;
    supervisor->worker = 0;
    if (supervisor->is_ending || !supervisor->has_started)
        end_with(supervisor, status);
    else
        count_crash(supervisor, status);
}

/* As process 1 of a container we are also given the children of others. */
static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == supervisor->worker)
            bury(supervisor, status);
}

/* ---- signals ---- */

static void pass_on(const struct supervisor *supervisor, int number)
{
    if (supervisor->worker != 0)
        (void)kill(supervisor->worker, number); /* not reaped yet, so it is there */
}

static void take_signal(struct supervisor *supervisor, int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
        supervisor->is_ending = true;
        supervisor->options->ending(supervisor->options->arg);
        pass_on(supervisor, number);
        return;
    case SIGHUP: /* waits in a worker that is just starting; who changes settings may be about to mend them */
        supervisor->start_at_ms = 0;
        start_if_due(supervisor);
        pass_on(supervisor, number);
        return;
    case SIGUSR1:
        supervisor->options->rotate(supervisor->options->arg);
        pass_on(supervisor, number);
        return;
    default: /* SIGCHLD */
        reap(supervisor);
        return;
    }
}

static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;

    while (read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take_signal(supervisor, (int)info.ssi_signo);
}

static bool open_signals(struct supervisor *supervisor)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGCHLD};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < COUNT(numbers); i++)
        (void)sigaddset(&set, numbers[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    supervisor->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return supervisor->signals >= 0;
}

static void wait_for_news(const struct supervisor *supervisor)
{
    struct pollfd watched[] = {{.fd = supervisor->signals, .events = POLLIN},
                               {.fd = supervisor->words, .events = POLLIN}}; /* below 0: not watched */
    int64_t wait_ms = -1;

    if (supervisor->worker == 0) {
        wait_ms = supervisor->start_at_ms - now_ms();
        wait_ms = wait_ms > 0 ? wait_ms : 0;
    }
    (void)poll(watched, COUNT(watched), (int)wait_ms); /* an error is news, too */
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor supervisor = {.options = options, .words = -1};

    if (!open_signals(&supervisor)) {
        options->started(options->arg, strerror(errno));
        return 1;
    }
    start_if_due(&supervisor);
    reap(&supervisor); /* who ended before anybody listened for it */
    while (!supervisor.is_ending || supervisor.worker != 0) {
        wait_for_news(&supervisor);
        hear(&supervisor);
        take_signals(&supervisor);
        start_if_due(&supervisor);
    }
    close(supervisor.signals);
    return supervisor.status;
}
