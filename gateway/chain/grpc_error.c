/*
 * grpc_error - see grpc_error.h.
 */

#include "gateway/chain/grpc_error.h"

#include <string.h>

#include "gateway/http/exchange.h"

static const struct {
    int code;
    const char *name;
} codes[] = {
    {0, "OK"},
    {1, "Canceled"},
    {3, "InvalidArgument"},
    {4, "DeadlineExceeded"},
    {5, "NotFound"},
    {6, "AlreadyExists"},
    {7, "PermissionDenied"},
    {8, "ResourceExhausted"},
    {12, "Unimplemented"},
    {13, "Internal"},
    {14, "Unavailable"},
    {16, "Unauthenticated"},
};

static const struct {
    int status, code;
} statuses[] = {
    {200, 0}, {400, 3}, {401, 16}, {403, 7},  {404, 5},  {409, 6},
    {429, 8}, {499, 1}, {500, 13}, {501, 12}, {503, 14}, {504, 4},
};

bool grpc_is_spoken(struct exchange *exchange)
{
    const struct exchange_request *request = exchange_request(exchange);

    if (request->version < 0x200)
        return false;
    const struct header *type = headers_find(&request->headers, STR("content-type"));
    return type != NULL && str_starts_with(type->value, STR("application/grpc"));
}

static int code_of(int status)
{
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].code;
    return status < 500 ? 3 : 13;
}

static const char *name_of(int code)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].code == code)
            return codes[i].name;
    return "Unknown";
}

/* What is not plain ASCII, and '%', goes as %XX: so gRPC has it. */
static struct str encoded(struct exchange *exchange, struct str message)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = exchange_alloc(exchange, message.len * 3 + 1);
    size_t len = 0;

    for (size_t i = 0; i < message.len; i++) {
        unsigned char byte = (unsigned char)message.at[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '%') {
            to[len++] = (char)byte;
            continue;
        }
        to[len++] = '%';
        to[len++] = digits[byte >> 4];
        to[len++] = digits[byte & 15];
    }
    return (struct str){to, len};
}

static void make(struct exchange *exchange, struct exchange_answer *answer, int status, int code,
                 const char *message)
{
    exchange_answer_init(exchange, answer, status);
    headers_add(&answer->headers, STR("Content-Type"), STR("application/grpc"));
    headers_add(&answer->headers, STR("grpc-status"), exchange_printf(exchange, "%d", code));
    headers_add(&answer->headers, STR("grpc-message"),
                encoded(exchange, str_of(message != NULL ? message : name_of(code))));
}

void grpc_error(struct exchange *exchange, struct exchange_answer *answer, int status, const char *message)
{
    make(exchange, answer, status, code_of(status), message);
}

void grpc_error_code(struct exchange *exchange, struct exchange_answer *answer, int code, const char *message)
{
    make(exchange, answer, 200, code, message);
}
