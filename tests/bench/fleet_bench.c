/*
 * fleet_bench - many nodes' buses in one process, against one Postgres and one Redis (tests/bench/fleet
 * starts them).
 *
 *     fleet_bench --port P --redis-port R --nodes N --frequency-ms U --seconds S --commits C [--acknowledge]
 *
 * The buses are real: each has its threads, its connections, its row in the registry. Only the subscriber
 * does nothing but note the time. A Redis port of 0 means polling. Lines: "phase NAME" when something begins,
 * "NAME=VALUE" when it is known.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bus/bus.h"
#include "bus/machine.h"
#include "bus/outbox.h"

enum {
    OPENERS = 8,
    SLICES = 50, /* of a period, in which polls are counted */
    APPEND_TIMEOUT_MS = 5000,
    ARRIVAL_TIMEOUT_MS = 60000,
    PAUSE_MS = 700, /* between commits: polls asked for by hints are rationed (bus/bell.c), which is not what
                       is measured */
};

struct member {
    struct fleet *fleet;
    struct bus *bus;
    _Atomic int64_t applied_at_us; /* relaxed: read after bus_wait() */
};

struct fleet {
    int port, redis_port, nodes, seconds, commits;
    int64_t frequency_ms;
    bool acknowledge;
    struct member *members;
    atomic_int next_to_open, failures;
    int64_t *delays; /* of each node and commit */
    int64_t *lasts;  /* of each commit: until the last node had it */
    int64_t counting_from_us;
    atomic_bool counting;
    atomic_int slices[SLICES];
};

static void pause_ms(int64_t ms)
{
    const struct timespec wanted = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&wanted, NULL);
}

static void begin(const char *phase)
{
    (void)printf("phase %s\n", phase);
    (void)fflush(stdout);
}

static void tell(const char *name, double value)
{
    (void)printf("%s=%.3f\n", name, value);
}

/* ---- the subscriber ---- */

static bool apply(void *arg, const struct bus_batch *batch, struct bus_err *err)
{
    struct member *member = arg;

    (void)batch;
    (void)err;
    atomic_store_explicit(&member->applied_at_us, machine_now_us(), memory_order_relaxed);
    return true;
}

static bool load(void *arg, const struct bus_batch *batch, struct bus_err *err)
{
    (void)arg;
    (void)batch;
    (void)err;
    return true;
}

static void restart(void *arg, uint64_t head, int64_t head_tag)
{
    (void)arg;
    (void)head;
    (void)head_tag;
}

/* A poll has found nothing: when do they come? */
static void idle(void *arg)
{
    struct member *member = arg;
    struct fleet *fleet = member->fleet;
    int64_t since_us = machine_now_us() - fleet->counting_from_us;

    if (atomic_load(&fleet->counting) && since_us >= 0 && since_us < fleet->frequency_ms * 1000)
        atomic_fetch_add(&fleet->slices[since_us * SLICES / (fleet->frequency_ms * 1000)], 1);
}

/* ---- opening and closing ---- */

static struct pg_options postgres_of(const struct fleet *fleet)
{
    return (struct pg_options){.host = "127.0.0.1",
                               .port = fleet->port,
                               .user = "freshet",
                               .database = "fleet",
                               .connect_timeout_ms = 30000,
                               .application_name = "fleet"};
}

static bool open_member(struct fleet *fleet, int number)
{
    struct member *member = &fleet->members[number];
    struct bus_options options = {
        .primary = postgres_of(fleet),
        .node_name = "node",
        .version = "1",
        .live = {.poll_ms = fleet->frequency_ms,
                 .channel = fleet->redis_port > 0 ? BUS_CHANNEL_REDIS : BUS_CHANNEL_OFF,
                 .redis = {.host = "127.0.0.1",
                           .port = fleet->redis_port,
                           .timeout_ms = 10000,
                           .channel = "fleet"}},
        .subscriber = {.apply = apply, .load = load, .restart = restart, .idle = idle, .arg = member},
    };
    struct bus_err err;

    member->fleet = fleet;
    machine_random(options.node_id, sizeof(options.node_id));
    machine_random(options.boot_id, sizeof(options.boot_id));
    if (bus_open(&options, &member->bus, &err))
        return true;
    if (atomic_fetch_add(&fleet->failures, 1) == 0)
        (void)fprintf(stderr, "fleet_bench: node %d: %s\n", number, err.text);
    return false;
}

static void *open_some(void *arg)
{
    struct fleet *fleet = arg;

    for (;;) {
        int number = atomic_fetch_add(&fleet->next_to_open, 1);

        if (number >= fleet->nodes || !open_member(fleet, number))
            return NULL;
    }
}

static void run_openers(struct fleet *fleet)
{
    pthread_t threads[OPENERS];

    for (int i = 0; i < OPENERS; i++) {
        if (pthread_create(&threads[i], NULL, open_some, fleet) != 0)
            abort();
    }
    for (int i = 0; i < OPENERS; i++)
        (void)pthread_join(threads[i], NULL);
}

static void close_all(struct fleet *fleet)
{
    for (int i = 0; i < fleet->nodes; i++)
        bus_close(fleet->members[i].bus);
}

/* Resident memory of this process. */
static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long long total = 0, resident = 0;

    if (file != NULL && fscanf(file, "%lld %lld", &total, &resident) != 2)
        resident = 0;
    if (file != NULL)
        (void)fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static bool are_channels_up(const struct fleet *fleet)
{
    struct bus_stats stats;

    for (int i = 0; i < fleet->nodes; i++) {
        bus_read_stats(fleet->members[i].bus, &stats);
        if (stats.channel_wanted && !stats.channel_up)
            return false;
    }
    return true;
}

static bool open_all(struct fleet *fleet)
{
    int64_t before = resident_bytes();
    int64_t started_us = machine_now_us();

    begin("open");
    run_openers(fleet);
    if (atomic_load(&fleet->failures) > 0)
        return false;
    for (int i = 0; i < 600 && !are_channels_up(fleet); i++)
        pause_ms(100);
    tell("open_s", (double)(machine_now_us() - started_us) / 1e6);
    pause_ms(fleet->frequency_ms);
    tell("memory_kb", (double)(resident_bytes() - before) / 1024 / fleet->nodes);
    return true;
}

/* ---- what is measured ---- */

static struct bus_stats sum_stats(const struct fleet *fleet)
{
    struct bus_stats sum = {0}, one;

    for (int i = 0; i < fleet->nodes; i++) {
        bus_read_stats(fleet->members[i].bus, &one);
        sum.polls += one.polls;
        sum.poll_failures += one.poll_failures;
        sum.resyncs += one.resyncs;
        sum.heartbeats += one.heartbeats;
        sum.poll_us += one.poll_us;
        sum.hints_received += one.hints_received;
        sum.hints_missed += one.hints_missed;
        sum.channel_reconnects += one.channel_reconnects;
        sum.node_count = one.node_count;
    }
    return sum;
}

/* Polls by when they came within a period: one line of numbers. */
static void count_slices(struct fleet *fleet, const char *name)
{
    fleet->counting_from_us = machine_now_us();
    for (int i = 0; i < SLICES; i++)
        atomic_store(&fleet->slices[i], 0);
    atomic_store(&fleet->counting, true);
    pause_ms(fleet->frequency_ms);
    atomic_store(&fleet->counting, false);
    (void)printf("slices %s", name);
    for (int i = 0; i < SLICES; i++)
        (void)printf(" %d", atomic_load(&fleet->slices[i]));
    (void)printf("\n");
}

static void rest(struct fleet *fleet)
{
    struct bus_stats before = sum_stats(fleet);
    int64_t started_us = machine_now_us();
    struct bus_stats after;
    double seconds;

    begin("rest");
    count_slices(fleet, "rest");
    while (machine_now_us() - started_us < (int64_t)fleet->seconds * 1000000)
        pause_ms(10);
    begin("rested");
    seconds = (double)(machine_now_us() - started_us) / 1e6;
    after = sum_stats(fleet);
    tell("polls_per_s", (double)(after.polls - before.polls) / seconds);
    tell("beats_per_s", (double)(after.heartbeats - before.heartbeats) / seconds);
    tell("poll_us", (double)(after.poll_us - before.poll_us) / (double)(after.polls - before.polls));
    tell("nodes_known", (double)after.node_count);
}

/* Waits for all; false: somebody has not come in time. */
static bool note_arrivals(struct fleet *fleet, int commit, uint64_t position, int64_t committed_us)
{
    int64_t *delays = fleet->delays + (size_t)commit * (size_t)fleet->nodes;
    int64_t last = 0;

    for (int i = 0; i < fleet->nodes; i++) {
        if (!bus_wait(fleet->members[i].bus, position, ARRIVAL_TIMEOUT_MS))
            return false;
    }
    for (int i = 0; i < fleet->nodes; i++) {
        delays[i] =
            atomic_load_explicit(&fleet->members[i].applied_at_us, memory_order_relaxed) - committed_us;
        last = delays[i] > last ? delays[i] : last;
    }
    fleet->lasts[commit] = last;
    return true;
}

static bool commit_once(struct fleet *fleet, struct pg_session *session, int number)
{
    static const uint8_t origin[16] = {1};
    const struct bus_event event = {
        .kind = BUS_EVENT_ROW, .entity = "consumers", .has_id = true, .flags = fleet->acknowledge ? 1 : 0};
    struct bus *writer = fleet->members[0].bus;
    struct outbox_receipt receipt;
    int64_t committed_us;
    struct bus_err err;

    if (!outbox_begin(session, APPEND_TIMEOUT_MS, &err) ||
        !outbox_commit(session, &event, 1, origin, APPEND_TIMEOUT_MS, &receipt, &err)) {
        (void)fprintf(stderr, "fleet_bench: commit: %s\n", err.text);
        return false;
    }
    committed_us = machine_now_us();
    bus_wake(writer);
    bus_announce(writer, receipt.position, receipt.tag, NULL, 0);
    if (note_arrivals(fleet, number, receipt.position, committed_us))
        return true;
    (void)fprintf(stderr, "fleet_bench: position %" PRIu64 " has not come everywhere\n", receipt.position);
    return false;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void tell_times(const char *what, int64_t *times, size_t count)
{
    char name[40];
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p99", 0.99}, {"max", 1.0}};

    qsort(times, count, sizeof(times[0]), compare);
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s_%s_ms", what, points[i].name);
        tell(name, (double)times[(size_t)((double)(count - 1) * points[i].share)] / 1000);
    }
}

static bool spread(struct fleet *fleet)
{
    struct pg_options postgres = postgres_of(fleet);
    struct pg_session *session = pg_session_new(&postgres);
    bool good = true;

    begin("spread");
    for (int i = 0; i < fleet->commits && good; i++) {
        good = commit_once(fleet, session, i);
        pause_ms(PAUSE_MS);
    }
    begin("spreaded");
    pg_session_free(session);
    if (!good)
        return false;
    tell_times("node", fleet->delays, (size_t)fleet->commits * (size_t)fleet->nodes);
    tell_times("last", fleet->lasts, (size_t)fleet->commits);
    count_slices(fleet, "rung");
    return true;
}

static bool measure(struct fleet *fleet)
{
    struct bus_stats end;

    if (!open_all(fleet))
        return false;
    rest(fleet);
    if (fleet->commits > 0 && !spread(fleet))
        return false;
    end = sum_stats(fleet);
    tell("poll_failures", (double)end.poll_failures);
    tell("resyncs_beyond_start", (double)end.resyncs - fleet->nodes);
    tell("hints_missed", (double)end.hints_missed);
    tell("reconnects", (double)end.channel_reconnects);
    begin("close");
    return true;
}

static bool parse(struct fleet *fleet, int count, char **words)
{
    for (int i = 1; i < count; i++) {
        int value = i + 1 < count ? (int)strtol(words[i + 1], NULL, 10) : 0;

        if (strcmp(words[i], "--acknowledge") == 0) {
            fleet->acknowledge = true;
            continue;
        }
        if (strcmp(words[i], "--port") == 0)
            fleet->port = value;
        else if (strcmp(words[i], "--redis-port") == 0)
            fleet->redis_port = value;
        else if (strcmp(words[i], "--nodes") == 0)
            fleet->nodes = value;
        else if (strcmp(words[i], "--frequency-ms") == 0)
            fleet->frequency_ms = value;
        else if (strcmp(words[i], "--seconds") == 0)
            fleet->seconds = value;
        else if (strcmp(words[i], "--commits") == 0)
            fleet->commits = value;
        else
            return false;
        i++;
    }
    return fleet->port > 0 && fleet->nodes > 0 && fleet->frequency_ms > 0;
}

/* Five descriptors a node. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int count, char **words)
{
    struct fleet fleet = {.nodes = 100, .frequency_ms = 5000, .seconds = 10, .commits = 20};
    bool good;

    if (!parse(&fleet, count, words)) {
        (void)fprintf(stderr, "fleet_bench: see the head of tests/bench/fleet_bench.c\n");
        return 2;
    }
    raise_limit();
    fleet.members = machine_alloc((size_t)fleet.nodes * sizeof(fleet.members[0]));
    fleet.lasts = machine_alloc((size_t)fleet.commits * sizeof(fleet.lasts[0]));
    fleet.delays = machine_alloc((size_t)fleet.commits * (size_t)fleet.nodes * sizeof(fleet.delays[0]));
    good = measure(&fleet);
    (void)fflush(stdout);
    close_all(&fleet);
    free(fleet.members);
    free(fleet.lasts);
    free(fleet.delays);
    return good ? 0 : 1;
}
