/* library: gateway_plugins */

/*
 * fuzz_log_record - lines: a target, a Host, what a plugin shares, then "name: value" lines as headers of the
 * request and of its answer. Whatever they are, the record is one line of good JSON in UTF-8.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "gateway/base/clock.h"
#include "gateway/base/json_write.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/log_record.h"
#include "gateway/http/exchange_recorder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static struct str take_line(struct str *rest)
{
    size_t end = str_find(*rest, '\n', 0);
    struct str line = str_part(*rest, 0, end != SIZE_MAX ? end : rest->len);

    *rest = str_part(*rest, end != SIZE_MAX ? end + 1 : rest->len, rest->len);
    return line;
}

static void add_lines(struct chain *chain, struct str lines)
{
    while (lines.len > 0) {
        struct str line = take_line(&lines);
        size_t colon = str_find(line, ':', 0);
        struct str name = str_part(line, 0, colon != SIZE_MAX ? colon : line.len);
        struct str value = colon != SIZE_MAX ? str_part(line, colon + 1, line.len) : STR("");
        headers_add(&exchange_request(chain->exchange)->headers, name, value);
        headers_add(&chain->answer.headers, name, value);
    }
}

static void check(struct str record, struct str target)
{
    bool is_cut;

    demand(str_is_utf8(record) && str_find(record, '\n', 0) == SIZE_MAX);
    cJSON *parsed = cJSON_ParseWithLength(record.at, record.len);
    const cJSON *request = cJSON_GetObjectItemCaseSensitive(parsed, "request");
    const cJSON *uri = cJSON_GetObjectItemCaseSensitive(request, "uri");
    demand(cJSON_IsString(uri) && cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(request, "querystring")));
    (void)json_shown(target, LOG_TEXT_BYTES, &is_cut);
    bool is_same = str_is_utf8(target) && memchr(target.at, '\0', target.len) == NULL && !is_cut;
    demand(!is_same || str_equal(str_of(uri->valuestring), target));
    cJSON_Delete(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct chain_world world = {.clock = clock_system(), .node_id = "node"};
    struct exchange_request request = {.method = STR("GET"), .peer_address = STR("::1"), .local_port = 80};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct str rest = exchange_copy(exchange, (struct str){(const char *)data, size});
    struct exchange_request *made = exchange_request(exchange);
    struct chain chain = {.world = &world, .exchange = exchange, .request_id = STR("0123")};

    exchange_answer_init(exchange, &chain.answer, 200);
    made->target = take_line(&rest);
    size_t mark = str_find(made->target, '?', 0);
    made->path = str_part(made->target, 0, mark != SIZE_MAX ? mark : made->target.len);
    made->query = mark != SIZE_MAX ? str_part(made->target, mark + 1, made->target.len) : STR("");
    made->host = take_line(&rest);
    chain_share(&chain, STR("correlation_id"), take_line(&rest));
    add_lines(&chain, rest);
    check(log_record(&chain), made->target);
    buf_fini(&chain.record);
    exchange_recorder_free(exchange);
    return 0;
}
