/* library: gateway_plugins */

/*
 * fuzz_zipkin_spans - lines: a path, a Host, the tags a client wants, a static tag's value, a name. Whatever
 * they are, what is written is good JSON, no tag comes twice, and the gateway's own tags are the gateway's.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/zipkin_spans.h"

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

static void check_tags(const cJSON *tags)
{
    const cJSON *tag, *other;

    cJSON_ArrayForEach(tag, tags)
    {
        demand(cJSON_IsString(tag));
        for (other = tags->child; other != tag; other = other->next)
            demand(strcmp(other->string, tag->string) != 0);
        if (strncmp(tag->string, "kong.", 5) == 0)
            demand(strcmp(tag->string, "kong.node.id") == 0 && strcmp(tag->valuestring, "node") == 0);
        if (strcmp(tag->string, "lc") == 0)
            demand(strcmp(tag->valuestring, "kong") == 0);
    }
}

static void check(const struct buf *spans)
{
    struct buf list = {0};
    const cJSON *span;

    buf_printf(&list, "[%s]", spans->at);
    demand(str_is_utf8(buf_str(&list)));
    cJSON *parsed = cJSON_Parse(list.at);
    demand(cJSON_GetArraySize(parsed) == 2);
    cJSON_ArrayForEach(span, parsed)
    {
        check_tags(cJSON_GetObjectItemCaseSensitive(span, "tags"));
    }
    cJSON_Delete(parsed);
    buf_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct chain_world world = {.clock = clock_system(), .node_id = "node"};
    struct exchange_request request = {.method = STR("GET")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct str rest = exchange_copy(exchange, (struct str){(const char *)data, size});
    struct exchange_request *made = exchange_request(exchange);
    struct chain chain = {.world = &world, .exchange = exchange};
    struct zipkin_part part = {.trace = {1, 2, false}, .request = 3, .proxy = 4};
    struct zipkin_wording wording = {.static_tags = cJSON_CreateArray(), .name_has_path = true};
    cJSON *tag = cJSON_CreateObject();
    struct buf spans = {0};

    made->path = take_line(&rest);
    made->host = take_line(&rest);
    part.tags = take_line(&rest);
    struct str value = exchange_printf(exchange, "%.*s", STR_ARG(take_line(&rest)));
    (void)cJSON_AddStringToObject(tag, "name", "zone");
    (void)cJSON_AddStringToObject(tag, "value", value.at);
    (void)cJSON_AddItemToArray(wording.static_tags, tag);
    wording.local_service = (char *)(uintptr_t)exchange_printf(exchange, "%.*s", STR_ARG(rest)).at;
    zipkin_spans_write(&chain, &wording, &part, &spans);
    check(&spans);
    buf_fini(&spans);
    cJSON_Delete(wording.static_tags);
    exchange_recorder_free(exchange);
    return 0;
}
