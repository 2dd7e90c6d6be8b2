/* library: gateway_plugins */

/*
 * fuzz_arguments - the first line is a name, the rest any bytes as a query and as a body of every type: what
 * was removed is not found any more, and what was not there is not missed.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/arguments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"application/x-www-form-urlencoded",
                                    "multipart/form-data; boundary=\"xx\"", "application/json", "text/plain"};

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static void try_body(struct exchange *exchange, struct str type, struct str body, struct str name)
{
    struct argument found = body_find(exchange, type, body, name);
    struct str left = body_remove(exchange, type, body, name);

    demand(left.len <= body.len);
    if (found.count == 0)
        demand(left.at == body.at && left.len == body.len);
    else
        demand(body_find(exchange, type, left, name).count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("POST"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct str input = {(const char *)data, size};
    size_t end = str_find(input, '\n', 0);

    if (end != SIZE_MAX) {
        /* As from settings: a text without NUL. */
        struct str name = exchange_copy(exchange, str_part(input, 0, end));
        struct str body = str_part(input, end + 1, size);
        name = str_of(name.at);
        struct str left = encoded_remove(exchange, body, name);
        demand(encoded_find(exchange, left, name).count == 0);
        for (size_t i = 0; i < COUNT(types); i++)
            try_body(exchange, str_of(types[i]), body, name);
        (void)body_find(exchange, body, body, name); /* a type that means harm */
    }
    exchange_recorder_free(exchange);
    return 0;
}
