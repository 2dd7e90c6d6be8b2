/* library: gateway_proxy */

/*
 * fuzz_connection - lines of "name: value" as the head of a request: what Connection names is gone
 * afterwards, without it nothing is, and reading a list ends.
 */

#include <stdint.h>
#include <stdlib.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/proxy/hop_by_hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct str rest = exchange_copy(exchange, (struct str){(const char *)data, size});
    struct headers headers = {.owner = exchange};

    for (int i = 0; rest.len > 0 && i < 200; i++) {
        size_t end = str_find(rest, '\n', 0);
        struct str line = str_part(rest, 0, end != SIZE_MAX ? end : rest.len);
        size_t colon = str_find(line, ':', 0);
        rest = str_part(rest, end != SIZE_MAX ? end + 1 : rest.len, rest.len);
        if (colon != SIZE_MAX)
            headers_add(&headers, str_part(line, 0, colon), str_trim(str_part(line, colon + 1, line.len)));
    }
    size_t before = headers.count;
    const struct header *connection = headers_find(&headers, STR("Connection"));
    /* A list of options; with parameters, as in TE, it is something else. */
    bool names_first = connection != NULL && hop_by_hop_mentions(connection->value, STR("X-First")) &&
                       str_find(connection->value, ';', 0) == SIZE_MAX;
    hop_by_hop_drop_named(&headers);
    if (headers.count > before || (connection == NULL && headers.count != before))
        abort();
    if (names_first && headers_find(&headers, STR("X-First")) != NULL)
        abort();
    exchange_recorder_free(exchange);
    return 0;
}
