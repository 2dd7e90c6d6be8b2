/* library: gateway_plugins */

/*
 * fuzz_template - any bytes as a template: what is taken can be rendered, twice alike, and what has no "$("
 * is rendered as it is.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/chain/chain.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {
        .method = STR("GET"), .path = STR("/"), .query = STR("a=1&b&c=%00")};
    const struct chain_capture captures[] = {
        {STR_NONE, STR("/x")}, {STR("id"), STR("7")}, {STR("no"), STR_NONE}};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct chain chain = {.exchange = exchange, .captures = captures, .capture_count = 3};
    struct str text = {(const char *)data, size};
    struct template *template = NULL;
    char words[128];

    headers_add(&exchange_request(exchange)->headers, STR("X-A"), STR("one"));
    const struct template_source source = {&chain, &exchange_request(exchange)->headers, request.query};
    chain_share(&chain, STR("x"), STR("y"));
    if (template_new(text, &template, words)) {
        struct str first = STR_NONE;
        struct str second = STR_NONE;
        bool made = template_render(template, &source, &first);
        demand(template_render(template, &source, &second) == made && str_equal(first, second));
        if (memmem(data, size, "$(", 2) == NULL)
            demand(made && str_equal(first, text));
    } else {
        demand(words[0] != '\0');
    }
    template_free(template);
    exchange_recorder_free(exchange);
    return 0;
}
