/*
 * figures - see figures.h. The bus knows nothing of ours, so it counts in a struct; here is what its members
 * are called.
 */

#include "gateway/figures.h"

#include <stddef.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "bus/bus.h"
#include "gateway/base/exposition.h"

#define AT(member) offsetof(struct bus_stats, member)

/* Members of 64 bits. Rows of one metric stand together; the first has the help. */
static const struct figure {
    const char *status; /* as /status calls it; NULL: it does not */
    size_t at;
    const char *name, *labels; /* as /metrics does; NULL: it does not */
    const char *type;
    int64_t scale; /* what is shown is the member divided by it */
    const char *help;
} figures[] = {
    /* clang-format off */
    {"applied_position", AT(applied_position), "freshet_log_applied_position", "", "gauge", 1,
     "position of the event log that this node has acted on"},
    {"head_position", AT(head_position), "freshet_log_head_position", "", "gauge", 1,
     "position of the event log at the last good poll"},
    {"behind_positions", AT(behind_positions), "freshet_behind_positions", "", "gauge", 1,
     "positions that are known to be committed and that this node has not acted on"},
    {"behind_ms", AT(behind_ms), "freshet_behind_seconds", "", "gauge", 1000,
     "how long this node has known of something that it has not acted on"},
    {"since_good_poll_ms", AT(since_good_poll_ms), "freshet_staleness_seconds", "", "gauge", 1000,
     "time since the start of the last good poll"},
    {"last_poll_us", AT(last_poll_us), "freshet_last_poll_seconds", "", "gauge", 1000000, "time the last good poll took"},
    {NULL, AT(poll_us), "freshet_poll_seconds_total", "", "counter", 1000000, "time all good polls took"},
    {"polls", AT(polls), "freshet_polls_total", "", "counter", 1, "polls of the event log that were answered"},
    {"idle_polls", AT(idle_polls), "freshet_idle_polls_total", "", "counter", 1, "those of them that found nothing new"},
    {"poll_failures", AT(poll_failures), NULL, NULL, NULL, 0, NULL},
    {NULL, AT(poll_failures_connect), "freshet_poll_failures_total", "reason=\"connect\"", "counter", 1,
     "polls of the event log that failed: without a connection, without an answer in time, or otherwise"},
    {NULL, AT(poll_failures_deadline), "freshet_poll_failures_total", "reason=\"deadline\"", "counter", 1, ""},
    {NULL, AT(poll_failures_other), "freshet_poll_failures_total", "reason=\"other\"", "counter", 1, ""},
    {"failing_polls", AT(failing_polls), "freshet_polls_failing", "", "gauge", 1, "failed polls since the last good one"},
    {"events_applied", AT(events_applied), "freshet_events_applied_total", "", "counter", 1, "events this node has acted on"},
    {"batches_applied", AT(batches_applied), "freshet_batches_applied_total", "", "counter", 1, "batches they came in"},
    {"resyncs", AT(resyncs), NULL, NULL, NULL, 0, NULL},
    {NULL, AT(resyncs_start), "freshet_resync_total", "reason=\"start\"", "counter", 1,
     "times everything was loaded anew: at the start, because the log had another past (history), had gone too far (lag), had a hole (gap), or the scrubber found a difference"},
    {"resyncs_history", AT(resyncs_history), "freshet_resync_total", "reason=\"history\"", "counter", 1, ""},
    {"resyncs_lag", AT(resyncs_lag), "freshet_resync_total", "reason=\"lag\"", "counter", 1, ""},
    {"resyncs_gap", AT(resyncs_gap), "freshet_resync_total", "reason=\"gap\"", "counter", 1, ""},
    {"resyncs_scrub", AT(resyncs_scrub), "freshet_resync_total", "reason=\"scrub\"", "counter", 1, ""},
    {"pg_reconnects", AT(pg_reconnects), "freshet_pg_reconnects_total", "", "counter", 1, "connections to the primary that polls have opened"},
    {"bells_rung", AT(bells_rung), "freshet_bells_rung_total", "", "counter", 1, "polls that began early"},
    {"bells_limited", AT(bells_limited), "freshet_hint_rate_limited_total", "", "counter", 1, "early polls that had to wait, because there were too many"},
    {"trimmed_rows", AT(trimmed_rows), "freshet_log_trimmed_rows_total", "", "counter", 1, "old rows of the event log that this node has deleted"},
    {"heartbeats", AT(heartbeats), "freshet_heartbeats_total", "", "counter", 1, "heartbeats of this node in the registry of nodes"},
    {"node_count", AT(node_count), "freshet_cluster_nodes", "state=\"live\"", "gauge", 1, "nodes that are alive, by their leases"},
    {NULL, AT(slowest_position), "freshet_cluster_min_applied_position", "", "gauge", 1,
     "the least that any live node has acted on, as its heartbeats have told"},
    {"channel_reconnects", AT(channel_reconnects), "freshet_hint_reconnects_total", "", "counter", 1, "times the channel came up again"},
    {"channel_errors", AT(channel_errors), "freshet_hint_errors_total", "", "counter", 1, "times the channel was lost or could not be had"},
    {"hints_sent", AT(hints_sent), "freshet_hint_sent_total", "", "counter", 1, "messages this node has sent on the channel"},
    {"hints_received", AT(hints_received), "freshet_hint_received_total", "", "counter", 1, "messages it has received, its own included"},
    {"hints_missed", AT(hints_missed), "freshet_hint_missed_total", "", "counter", 1, "commits that a poll has seen first, and no message in time"},
    {"hints_reannounced", AT(hints_reannounced), "freshet_hint_reannounced_total", "", "counter", 1,
     "messages on behalf of a writer that had sent none"},
    {NULL, AT(hint_lag_us), "freshet_hint_lag_seconds", "", "gauge", 1000000, "age of the last message when it came, by the clocks of two machines"},
    {"hints_dropped_old", AT(hints_dropped_old), "freshet_hint_dropped_total", "reason=\"old\"", "counter", 1, "messages that counted for nothing"},
    {"hints_dropped_mac", AT(hints_dropped_mac), "freshet_hint_dropped_total", "reason=\"mac\"", "counter", 1, ""},
    {"hints_dropped_size", AT(hints_dropped_size), "freshet_hint_dropped_total", "reason=\"size\"", "counter", 1, ""},
    {"hints_dropped_history", AT(hints_dropped_history), "freshet_hint_dropped_total", "reason=\"history\"", "counter", 1, ""},
    {"hints_dropped_version", AT(hints_dropped_version), "freshet_hint_dropped_total", "reason=\"version\"", "counter", 1, ""},
    {"hints_dropped_implausible", AT(hints_dropped_implausible), "freshet_hint_dropped_total", "reason=\"implausible\"", "counter", 1, ""},
    {"hints_dropped_tag", AT(hints_dropped_tag), "freshet_hint_dropped_total", "reason=\"tag\"", "counter", 1, ""},
    {"hints_dropped_queue", AT(hints_dropped_queue), "freshet_hint_dropped_total", "reason=\"queue\"", "counter", 1, ""},
    /* clang-format on */
};

static int64_t value_of(const struct bus_stats *stats, const struct figure *figure)
{
    int64_t value;

    memcpy(&value, (const char *)stats + figure->at, sizeof(value));
    return value;
}

struct cJSON *figures_describe(struct bus *bus)
{
    cJSON *object = cJSON_CreateObject();
    struct bus_stats stats;

    bus_read_stats(bus, &stats);
    for (size_t i = 0; i < COUNT(figures); i++)
        if (figures[i].status != NULL)
            (void)cJSON_AddNumberToObject(object, figures[i].status, (double)value_of(&stats, &figures[i]));
    (void)cJSON_AddBoolToObject(object, "channel_wanted", stats.channel_wanted);
    (void)cJSON_AddBoolToObject(object, "channel_up", stats.channel_up);
    return object;
}

static void expose_gauge(struct buf *out, const char *name, const char *help, int64_t value, int64_t scale)
{
    exposition_family(out, name, "gauge", help);
    exposition_fraction(out, name, STR(""), value, scale);
}

static void expose_channel(const struct bus_stats *stats, struct buf *out)
{
    expose_gauge(out, "freshet_hint_wanted", "whether the settings want a channel", stats->channel_wanted, 1);
    expose_gauge(out, "freshet_hint_up", "whether there is a channel", stats->channel_up, 1);
    if (stats->since_heard_ms >= 0)
        expose_gauge(out, "freshet_hint_beacon_age_seconds",
                     "time since the channel has brought anything of this cluster", stats->since_heard_ms,
                     1000);
}

static void expose_delays(const struct bus_stats *stats, struct buf *out)
{
    static const char name[] = "freshet_apply_seconds";
    static const char *const paths[BUS_PATHS] = {
        [BUS_PATH_POLL] = "path=\"poll\"",
        [BUS_PATH_HINT] = "path=\"hint\"",
        [BUS_PATH_WAKE] = "path=\"wake\"",
    };
    static const struct exposition_buckets buckets = {bus_delay_limits_us, BUS_DELAY_LIMITS, 1000000};

    exposition_family(
        out, name, "histogram",
        "time from a commit until this node has acted on it, by what began the poll: its time had "
        "come (poll), somebody had told of the commit (hint), it was this node's own (wake)");
    for (size_t i = 0; i < BUS_PATHS; i++)
        exposition_histogram(out, name, str_of(paths[i]), &buckets, stats->delays[i].counts,
                             stats->delays[i].sum_us);
}

void figures_expose(struct bus *bus, struct buf *out)
{
    struct bus_stats stats;

    bus_read_stats(bus, &stats);
    for (size_t i = 0; i < COUNT(figures); i++) {
        const struct figure *figure = &figures[i];
        if (figure->name == NULL)
            continue;
        if (figure->help[0] != '\0')
            exposition_family(out, figure->name, figure->type, figure->help);
        exposition_fraction(out, figure->name, str_of(figure->labels), value_of(&stats, figure),
                            figure->scale);
    }
    expose_channel(&stats, out);
    expose_delays(&stats, out);
}
