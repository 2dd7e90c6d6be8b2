/*
 * Hints over Postgres itself: LISTEN on a session of its own, NOTIFY after COMMIT. For clusters without
 * Redis.
 *
 * NOTIFY carries text of less than 8,000 bytes, so messages travel as hexadecimal digits. NOTIFY is not part
 * of the append on purpose: it takes a lock of the whole server at COMMIT, which the append lock must not
 * wait for.
 */

#include "bus/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/machine.h"

enum {
    DEADLINE_MS = 2000,
    IDLE_US = 5000000, /* then a question finds out whether the server is alive */
    MAX_PAYLOAD = 8000,
    MAX_NAME = 63, /* of an identifier; longer ones would be cut and could meet */
};

struct line {
    struct line_options options;
    struct pg_session *session;
    char channel[MAX_NAME + 1];
    int64_t asked_us;
};

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

static void hand_over(const struct line *line, const char *payload)
{
    uint8_t bytes[MAX_PAYLOAD / 2];
    size_t length = strlen(payload) / 2;

    for (size_t i = 0; i < length; i++) {
        int high = hex_value(payload[i * 2]);
        int low = hex_value(payload[i * 2 + 1]);

        if (high < 0 || low < 0)
            return; /* not written by a node */
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    line->options.on_message(line->options.arg, bytes, length);
}

static void take_notifications(const struct line *line)
{
    char payload[MAX_PAYLOAD];

    while (pg_session_take_notification(line->session, payload, sizeof(payload)))
        hand_over(line, payload);
}

/* A new connection would not listen: once the first is gone, so is the line. */
static bool run(struct line *line, const struct pg_statement *statement, struct bus_err *err)
{
    PGresult *result;

    if (!pg_session_run(line->session, statement, 1, &result, DEADLINE_MS, err))
        return false;
    PQclear(result);
    if (pg_session_connects(line->session) != 1)
        return bus_err_set(err, BUS_ERR_CONNECT, "the listening connection was lost");
    line->asked_us = machine_now_us();
    take_notifications(line);
    return true;
}

static void close_line(struct line *line)
{
    if (line == NULL)
        return;
    pg_session_free(line->session);
    free(line);
}

/* The end of the name tells clusters apart; the prefix may be cut. */
static void copy_name(const char *name, char *copy)
{
    size_t length = strlen(name);
    const char *from = length > MAX_NAME ? name + length - MAX_NAME : name;
    size_t used = 0;

    for (const char *c = from; *c != '\0'; c++) {
        if (*c != '"') /* would end the identifier */
            copy[used++] = *c;
    }
    copy[used] = '\0';
}

static struct line *open_line(const struct line_options *options, struct bus_err *err)
{
    struct line *line = machine_alloc(sizeof(*line));
    char listen[MAX_NAME + 16];

    line->options = *options;
    line->session = pg_session_new(options->postgres);
    copy_name(options->channel, line->channel);
    (void)snprintf(listen, sizeof(listen), "LISTEN \"%s\"", line->channel);
    if (run(line, &(struct pg_statement){.sql = listen}, err))
        return line;
    close_line(line);
    return NULL;
}

static size_t fill_polls(const struct line *line, struct pollfd polls[LINE_MAX_POLLS])
{
    polls[0] = (struct pollfd){.fd = pg_session_socket(line->session), .events = POLLIN};
    return 1;
}

static int64_t due_us(const struct line *line)
{
    return line->asked_us + IDLE_US;
}

static bool work(struct line *line, struct bus_err *err)
{
    if (!pg_session_receive(line->session, err))
        return false;
    take_notifications(line);
    if (machine_now_us() < due_us(line))
        return true;
    return run(line, &(struct pg_statement){.sql = "SELECT 1"}, err) &&
           pg_session_connects(line->session) == 1;
}

static bool send_message(struct line *line, const uint8_t *bytes, size_t length, struct bus_err *err)
{
    char payload[MAX_PAYLOAD];
    const char *const params[2] = {line->channel, payload};

    if (length * 2 >= sizeof(payload))
        return bus_err_set(err, BUS_ERR_INTERNAL, "a hint of %zu bytes does not fit", length);
    for (size_t i = 0; i < length; i++)
        (void)snprintf(payload + i * 2, 3, "%02x", bytes[i]);
    if (!run(line,
             &(struct pg_statement){.sql = "SELECT pg_notify($1, $2)", .param_count = 2, .params = params},
             err))
        return false;
    if (pg_session_connects(line->session) != 1)
        return bus_err_set(err, BUS_ERR_CONNECT, "the listening connection was lost");
    return true;
}

static bool is_settled(const struct line *line)
{
    (void)line;
    return true; /* send_message() has waited for the answer */
}

const struct line_kind notify_line = {
    .name = "pg_notify",
    .max_keys = 200,
    .open = open_line,
    .close = close_line,
    .fill_polls = fill_polls,
    .due_us = due_us,
    .work = work,
    .send = send_message,
    .is_settled = is_settled,
};
