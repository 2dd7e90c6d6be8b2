/* library: gateway_chain */

/*
 * fuzz_accept - the first line is an Accept header, the rest the text of an error: a page of every type is
 * whole, and its text cannot leave its place.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "gateway/chain/error_page.h"
#include "gateway/http/exchange_recorder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const kinds[] = {"text/html", "text/plain", "application/xml", "application/json"};

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static void try_page(struct exchange *exchange, struct str accept, const char *message)
{
    struct str type;
    const struct error_page_wish wish = {
        .accept = accept, .status = 404, .message = message, .request_id = STR("id")};
    struct str page = error_page(exchange, &wish, &type);

    demand(page.len > 0 && type.len > 0);
    if (str_starts_with(type, STR("application/json"))) {
        cJSON *object = cJSON_ParseWithLength(page.at, page.len);
        demand(cJSON_GetArraySize(object) == 2);
        cJSON_Delete(object);
    } else if (str_starts_with(type, STR("application/xml"))) {
        demand(memmem(page.at, page.len, "</message>", 10) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct str input = {(const char *)data, size};
    size_t end = str_find(input, '\n', 0);
    const char *message =
        exchange_copy(exchange, end != SIZE_MAX ? str_part(input, end + 1, size) : STR("")).at;

    try_page(exchange, end != SIZE_MAX ? str_part(input, 0, end) : input, message);
    for (size_t i = 0; i < COUNT(kinds); i++)
        try_page(exchange, str_of(kinds[i]), message);
    exchange_recorder_free(exchange);
    return 0;
}
