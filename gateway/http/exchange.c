/*
 * exchange - see exchange.h. The parts that do not depend on who speaks below.
 */

#include "gateway/http/exchange.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/http/exchange_backend.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Entity"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Temporarily Unavailable"},
    {504, "Gateway Time-out"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *exchange_reason(int status)
{
    if (status == 200)
        return "OK";
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

void exchange_run_ends(struct exchange *exchange)
{
    while (exchange->ends != NULL) {
        struct exchange_end *end = exchange->ends;

        exchange->ends = end->next;
        end->next = NULL;
        end->on_end(end);
    }
}

struct exchange_request *exchange_request(struct exchange *exchange)
{
    return &exchange->request;
}

struct loop *exchange_loop(const struct exchange *exchange)
{
    return exchange->loop;
}

const char *exchange_peer_subject(const struct exchange *exchange)
{
    return exchange->peer_subject;
}

const char *exchange_peer_problem(const struct exchange *exchange)
{
    return exchange->peer_problem;
}

void *exchange_alloc(struct exchange *exchange, size_t size)
{
    return exchange->backend->alloc(exchange, size);
}

struct str exchange_copy(struct exchange *exchange, struct str s)
{
    if (s.at == NULL)
        return STR_NONE;
    char *copy = exchange_alloc(exchange, s.len + 1);
    memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

struct str exchange_printf(struct exchange *exchange, const char *format, ...)
{
    va_list values;
    va_list again;

    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    assert(length >= 0);
    char *text = exchange_alloc(exchange, (size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (struct str){text, (size_t)length};
}

void exchange_on_end(struct exchange *exchange, struct exchange_end *end)
{
    end->next = exchange->ends;
    exchange->ends = end;
}

void exchange_watch(struct exchange *exchange, void (*on_gone)(struct exchange *exchange, void *arg),
                    void *arg)
{
    exchange->backend->watch(exchange, on_gone, arg);
}

void exchange_answer_init(struct exchange *exchange, struct exchange_answer *answer, int status)
{
    *answer = (struct exchange_answer){.status = status, .headers = {.owner = exchange}};
}

void exchange_reply(struct exchange *exchange, const struct exchange_answer *answer, struct str body)
{
    exchange->backend->reply(exchange, answer, body);
}

void exchange_begin(struct exchange *exchange, const struct exchange_answer *answer, int64_t length)
{
    exchange->backend->begin(exchange, answer, length);
}

void exchange_send(struct exchange *exchange, struct str bytes, enum exchange_more more,
                   void (*on_sent)(struct exchange *exchange, void *arg), void *arg)
{
    exchange->backend->send(exchange, bytes, more, on_sent, arg);
}

void exchange_read_outcome(const struct exchange *exchange, struct exchange_outcome *outcome)
{
    *outcome = (struct exchange_outcome){0};
    exchange->backend->outcome(exchange, outcome);
}
