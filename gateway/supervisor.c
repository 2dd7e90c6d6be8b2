/*
 * supervisor - see supervisor.h.
 *
 * One loop waits for signals (as a descriptor) and for the worker's words. A word is one message of a
 * SOCK_SEQPACKET pair; what a worker said before it died is heard before its death is.
 */

#include "gateway/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
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
#include "gateway/heartbeat.h"
#include "gateway/notify.h"

enum {
    FIRST_PAUSE_MS = 250,
    LONGEST_PAUSE_MS = 30000,
    WORD_BYTES = 512,
    ABORT_MS = 10000, /* for the core */
    SIGN_LOOKS = 4,   /* so much of its interval is a sign of life late at most */
};

/* First bytes of words. */
enum {
    WORD_READY = '+',
    WORD_FAILURE = '!', /* the rest is the reason */
    WORD_RELOADED = 'r',
    WORD_REFUSED = 'n',
};

struct worker {
    pid_t pid;                   /* 0: none */
    int words;                   /* from it; -1: none come */
    int64_t serves_since_ms;     /* 0: it does not yet */
    struct heartbeat *heartbeat; /* NULL: it is not watched */
    int64_t kill_at_ms;          /* it was aborted and must be gone by then; 0: it was not */
    char failure[WORD_BYTES];    /* why it could not serve; "": it has not said */
};

struct supervisor {
    const struct supervisor_options *options;
    int signals; /* signalfd */
    struct worker current;
    struct worker next;  /* is starting, to relieve the current one */
    pid_t retired;       /* has been relieved and ends; 0: none */
    pid_t trial;         /* finds out whether the program can be changed; 0: none */
    int64_t start_at_ms; /* with no worker: when one is due */
    unsigned crashes;    /* in a row */
    uint64_t restarts;
    bool has_started; /* the first worker has served, or failed */
    bool is_upgrade;  /* somebody waits to hear what became of it */
    bool is_ending;   /* no worker is started any more */
    int status;
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

void worker_tell_refused(const struct supervisor_link *link)
{
    tell(link, WORD_REFUSED, "");
}

static bool has_serving(const struct worker *worker)
{
    return worker->pid != 0 && worker->serves_since_ms != 0;
}

static void silence(struct worker *worker)
{
    if (worker->words >= 0)
        close(worker->words);
    worker->words = -1;
}

/* In the new process. It keeps nothing of the supervisor's but what `work` knows of. */
static void live_as_worker(struct supervisor *supervisor, const struct supervisor_link *link)
{
    sigset_t child;

    /* A supervisor that is killed cannot say so: its worker, and with it the ports, must not stay behind. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != link->supervisor)
        _exit(1);
    close(supervisor->signals);
    notify_close(supervisor->options->notify);
    silence(&supervisor->current);
    silence(&supervisor->next);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_UNBLOCK, &child, NULL);
    exit(supervisor->options->work(supervisor->options->arg, link));
}

/* ---- starting ---- */

static bool start_worker(struct supervisor *supervisor, struct worker *worker)
{
    int ends[2];
    struct supervisor_link link = {.supervisor = getpid(), .restarts = supervisor->restarts};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    if (supervisor->options->hang_limit_ms > 0)
        link.heartbeat = heartbeat_new();
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
        heartbeat_free(link.heartbeat);
        return false;
    }
    *worker = (struct worker){.pid = pid, .words = ends[0], .heartbeat = link.heartbeat};
    return true;
}

/* What has been begun, if anything, is over. */
static void say_serving(const struct supervisor *supervisor, const char *after)
{
    if (has_serving(&supervisor->current))
        notify_ready(supervisor->options->notify, "serving; %s; worker %d", after,
                     (int)supervisor->current.pid);
}

static void say_started(struct supervisor *supervisor, const char *error)
{
    if (!supervisor->has_started)
        supervisor->options->started(supervisor->options->arg, error);
    supervisor->has_started = true;
}

static void start_if_due(struct supervisor *supervisor)
{
    if (supervisor->is_ending || supervisor->current.pid != 0 || now_ms() < supervisor->start_at_ms)
        return;
    if (start_worker(supervisor, &supervisor->current)) {
        if (supervisor->crashes > 0)
            log_notice("supervisor: another worker has been started; pid=%d", (int)supervisor->current.pid);
        return;
    }
    supervisor->crashes++;
    supervisor->start_at_ms = now_ms() + supervisor_pause_ms(supervisor->crashes + 1);
    log_error("supervisor: no worker can be started; error=%s", strerror(errno));
}

/* ---- upgrade ---- */

static void say_upgraded(struct supervisor *supervisor, const char *error)
{
    if (!supervisor->is_upgrade)
        return;
    supervisor->is_upgrade = false;
    say_serving(supervisor, error == NULL ? "upgraded" : "not upgraded, see the log");
    if (error == NULL)
        log_notice("supervisor: upgraded; worker=%d", (int)supervisor->current.pid);
    else
        log_error("supervisor: not upgraded; %s", error);
    supervisor->options->upgraded(supervisor->options->arg, error);
}

static void begin_upgrade(struct supervisor *supervisor)
{
    bool is_busy = supervisor->is_upgrade || supervisor->retired != 0;

    if (supervisor->is_ending)
        return;
    if (is_busy) {
        supervisor->options->upgraded(supervisor->options->arg, "the upgrade before is not over yet");
        return;
    }
    supervisor->is_upgrade = true;
    notify_reloading(supervisor->options->notify, "upgrading");
    supervisor->trial = supervisor->options->try_program(supervisor->options->arg);
    if (supervisor->trial == 0)
        say_upgraded(supervisor, "the program cannot be run");
}

static void judge_trial(struct supervisor *supervisor, int status)
{
    supervisor->trial = 0;
    if (supervisor->is_ending)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        supervisor->options->become_program(supervisor->options->arg, supervisor->current.pid,
                                            supervisor->restarts);
    say_upgraded(supervisor, "the program there is now does not start; see the log");
}

/* The other half, in the new program. */
static void go_on(struct supervisor *supervisor)
{
    const struct supervisor_options *options = supervisor->options;

    supervisor->has_started = options->is_upgrade;
    supervisor->is_upgrade = options->is_upgrade;
    supervisor->restarts = options->restarts;
    if (options->worker == 0)
        return;
    supervisor->current = (struct worker){.pid = options->worker, .words = -1, .serves_since_ms = now_ms()};
    if (options->obstacle != NULL)
        say_upgraded(supervisor, options->obstacle);
    else if (!start_worker(supervisor, &supervisor->next))
        say_upgraded(supervisor, strerror(errno));
}

/* The next worker serves. */
static void relieve(struct supervisor *supervisor)
{
    silence(&supervisor->current);
    heartbeat_free(supervisor->current.heartbeat);
    supervisor->retired = supervisor->current.pid;
    supervisor->current = supervisor->next;
    supervisor->next = (struct worker){.words = -1};
    if (supervisor->retired != 0)
        (void)kill(supervisor->retired, SIGUSR2);
}

/* ---- what workers say ---- */

static void take_word(struct supervisor *supervisor, struct worker *worker, const char *word)
{
    switch (word[0]) {
    case WORD_READY:
        worker->serves_since_ms = now_ms();
        if (worker == &supervisor->next)
            relieve(supervisor);
        say_serving(supervisor, supervisor->crashes > 0 ? "has crashed before" : "started");
        say_started(supervisor, NULL);
        say_upgraded(supervisor, NULL);
        return;
    case WORD_FAILURE:
        (void)snprintf(worker->failure, sizeof(worker->failure), "%s", word + 1);
        return;
    case WORD_RELOADED:
        supervisor->options->reloaded(supervisor->options->arg);
        say_serving(supervisor, "settings reloaded");
        return;
    case WORD_REFUSED:
        say_serving(supervisor, "a reload was refused, see the log");
        return;
    default:
        return;
    }
}

/* All it has said so far. Once it serves, the next worker is the current one. */
static void hear(struct supervisor *supervisor, struct worker *worker)
{
    char word[WORD_BYTES];
    ssize_t length = 1;

    while (worker->words >= 0 && length > 0) {
        length = recv(worker->words, word, sizeof(word) - 1, MSG_DONTWAIT);
        if (length > 0) {
            word[length] = '\0';
            take_word(supervisor, worker, word);
        } else if (length == 0) { /* its end is near */
            silence(worker);
        }
    }
}

/* ---- their end ---- */

static void describe_end(int status, char text[WORD_BYTES])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, WORD_BYTES, "signal=SIG%s core=%s", sigabbrev_np(WTERMSIG(status)),
                       WCOREDUMP(status) ? "dumped" : "none");
    else
        (void)snprintf(text, WORD_BYTES, "exit_status=%d", WEXITSTATUS(status));
}

static const char *why(const struct worker *worker)
{
    return worker->failure[0] != '\0' ? worker->failure : "the node ended while starting; see its log";
}

/* It was told to end, or has never begun: so has the supervisor. */
static void end_with(struct supervisor *supervisor, const struct worker *worker, int status)
{
    supervisor->is_ending = true;
    supervisor->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (!supervisor->has_started) {
        say_started(supervisor, why(worker));
        supervisor->status = 1;
    }
}

static void count_crash(struct supervisor *supervisor, const struct worker *worker, int status)
{
    int64_t served_ms = worker->serves_since_ms > 0 ? now_ms() - worker->serves_since_ms : 0;
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
              how, served_ms, supervisor->crashes, pause_ms, worker->failure[0] != '\0' ? " why=" : "",
              worker->failure);
    notify_status(supervisor->options->notify, "the worker has crashed; in a row %u; %s", supervisor->crashes,
                  how);
}

static void bury_current(struct supervisor *supervisor, int status)
{
    struct worker worker;

    hear(supervisor, &supervisor->current);
    silence(&supervisor->current);
    heartbeat_free(supervisor->current.heartbeat);
    worker = supervisor->current;
    supervisor->current = (struct worker){.words = -1};
    if (supervisor->is_ending || !supervisor->has_started) {
        end_with(supervisor, &worker, status);
        return;
    }
    supervisor->current = supervisor->next; /* if there is one, it is about to serve */
    supervisor->next = (struct worker){.words = -1};
    count_crash(supervisor, &worker, status);
    if (supervisor->current.pid == 0 && supervisor->trial == 0)
        say_upgraded(supervisor, why(&worker));
}

static void bury_next(struct supervisor *supervisor)
{
    struct worker worker;

    silence(&supervisor->next);
    heartbeat_free(supervisor->next.heartbeat);
    worker = supervisor->next;
    supervisor->next = (struct worker){.words = -1};
    say_upgraded(supervisor, why(&worker));
}

static void bury(struct supervisor *supervisor, pid_t pid, int status)
{
    hear(supervisor, &supervisor->next); /* it may have become the current one before it died */
    if (pid == supervisor->current.pid)
        bury_current(supervisor, status);
    else if (pid == supervisor->next.pid)
        bury_next(supervisor);
    else if (pid == supervisor->retired)
        supervisor->retired = 0;
    else if (pid == supervisor->trial)
        judge_trial(supervisor, status);
}

/* As process 1 of a container we are also given the children of others. */
static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        bury(supervisor, pid, status);
}

/* ---- hanging ---- */

static bool is_watched(const struct supervisor *supervisor)
{
    const struct worker *worker = &supervisor->current;

    return worker->heartbeat != NULL && has_serving(worker) && !supervisor->is_ending;
}

/* Somebody looks into it, and it stands still for him. */
static bool is_debugged(pid_t pid)
{
    char path[64];
    char line[128];
    int tracer = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (tracer == 0 && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "TracerPid:", strlen("TracerPid:")) == 0)
            tracer = strspn(line + strlen("TracerPid:"), "\t 0\n") < strlen(line + strlen("TracerPid:"));
    (void)fclose(file);
    return tracer != 0;
}

static void abort_worker(struct worker *worker, size_t loop)
{
    log_error(
        "supervisor: a loop of the worker does not turn any more, the worker is aborted; pid=%d loop=%zu",
        (int)worker->pid, loop);
    (void)kill(worker->pid, SIGABRT);
    (void)kill(worker->pid, SIGCONT); /* if it was stopped, it dies only now */
    worker->kill_at_ms = now_ms() + ABORT_MS;
}

static void look_at_worker(struct supervisor *supervisor)
{
    struct worker *worker = &supervisor->current;
    size_t loop;

    if (!is_watched(supervisor))
        return;
    if (worker->kill_at_ms != 0) {
        if (now_ms() >= worker->kill_at_ms)
            (void)kill(worker->pid, SIGKILL);
        return;
    }
    if (!heartbeat_is_lost(worker->heartbeat, now_ms(), supervisor->options->hang_limit_ms, &loop))
        return;
    if (is_debugged(worker->pid))
        heartbeat_forgive(worker->heartbeat);
    else
        abort_worker(worker, loop);
}

/* Who waits for a sign of life ends us when none comes: so none is sent for a worker that hangs. */
static void show_life(const struct supervisor *supervisor)
{
    if (!is_watched(supervisor) ||
        heartbeat_turns(supervisor->current.heartbeat, supervisor->options->hang_limit_ms) ||
        is_debugged(supervisor->current.pid))
        notify_alive(supervisor->options->notify, now_ms());
}

/* ---- signals ---- */

static void pass_on(const struct supervisor *supervisor, int number)
{
    const pid_t all[] = {supervisor->current.pid, supervisor->next.pid, supervisor->retired};

    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i] != 0)
            (void)kill(all[i], number); /* not reaped yet, so it is there */
}

static void take_signal(struct supervisor *supervisor, int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
        supervisor->is_ending = true;
        notify_stopping(supervisor->options->notify,
                        number == SIGQUIT ? "ending when running requests are done" : "ending");
        supervisor->options->ending(supervisor->options->arg);
        pass_on(supervisor, number);
        return;
    case SIGHUP: /* waits in a worker that is just starting; who changes settings may be about to mend them */
        supervisor->start_at_ms = 0;
        start_if_due(supervisor);
        if (!supervisor->is_ending && supervisor->current.words >= 0) /* else nobody says when it is over */
            notify_reloading(supervisor->options->notify, "reloading");
        pass_on(supervisor, number);
        return;
    case SIGUSR1:
        supervisor->options->rotate(supervisor->options->arg);
        pass_on(supervisor, number);
        return;
    case SIGUSR2:
        begin_upgrade(supervisor);
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
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
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
                               {.fd = supervisor->current.words, .events = POLLIN}, /* below 0: not watched */
                               {.fd = supervisor->next.words, .events = POLLIN}};
    int64_t wait_ms = INT_MAX;
    int64_t sign_ms = notify_watchdog_ms(supervisor->options->notify);

    if (supervisor->current.pid == 0 && !supervisor->is_ending) {
        wait_ms = supervisor->start_at_ms - now_ms();
        wait_ms = wait_ms > 0 ? wait_ms : 0;
    }
    if (is_watched(supervisor))
        wait_ms = supervisor->options->hang_limit_ms / HEARTBEAT_LOOKS;
    if (sign_ms > 0 && sign_ms / SIGN_LOOKS < wait_ms)
        wait_ms = sign_ms / SIGN_LOOKS;
    (void)poll(watched, COUNT(watched), (int)wait_ms); /* an error is news, too */
}

static bool is_over(const struct supervisor *supervisor)
{
    return supervisor->is_ending && supervisor->current.pid == 0 && supervisor->next.pid == 0 &&
           supervisor->retired == 0;
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor supervisor = {.options = options, .current = {.words = -1}, .next = {.words = -1}};

    if (!open_signals(&supervisor)) {
        options->started(options->arg, strerror(errno));
        return 1;
    }
    go_on(&supervisor);
    start_if_due(&supervisor);
    reap(&supervisor); /* who ended before anybody listened for it */
    while (!is_over(&supervisor)) {
        wait_for_news(&supervisor);
        hear(&supervisor, &supervisor.current);
        hear(&supervisor, &supervisor.next);
        take_signals(&supervisor);
        look_at_worker(&supervisor);
        show_life(&supervisor);
        start_if_due(&supervisor);
    }
    close(supervisor.signals);
    return supervisor.status;
}
