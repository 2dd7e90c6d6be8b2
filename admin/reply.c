/*
 * reply - see reply.h.
 */

#include "admin/reply.h"

#include <inttypes.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/state.h"
#include "gateway/config/config.h"
#include "gateway/http/exchange.h"
#include "gateway/http/header.h"
#include "gateway/io/loop.h"

/* Does the `headers` setting want one of these? A list that says `off` wants nothing. */
static bool wants_header(const struct config *config, const char *group, const char *name)
{
    const struct config_list *list = &config->headers;

    for (size_t i = 0; i < list->count; i++)
        if (str_equal_nocase(str_of(list->at[i]), str_of(group)) ||
            str_equal_nocase(str_of(list->at[i]), str_of(name)))
            return true;
    return false;
}

static void add_cors(const struct admin *admin, struct exchange *exchange, const struct answer *answer,
                     struct exchange_answer *out)
{
    const struct headers *asked = &exchange_request(exchange)->headers;
    const struct header *origin = headers_find(asked, STR("origin"));

    headers_add(&out->headers, STR("Access-Control-Allow-Origin"),
                reply_origin(admin->config->admin_gui_url, origin != NULL ? origin->value : STR_NONE));
    if (answer->allow == NULL)
        return;
    const struct header *names = headers_find(asked, STR("access-control-request-headers"));
    headers_add(&out->headers, STR("Allow"), str_of(answer->allow));
    headers_add(&out->headers, STR("Access-Control-Allow-Methods"), str_of(answer->allow));
    headers_add(&out->headers, STR("Access-Control-Allow-Headers"),
                names != NULL ? names->value : STR("Content-Type"));
}

static void add_position(const struct admin *admin, struct exchange *exchange, uint64_t position,
                         struct exchange_answer *out)
{
    char text[40];

    admin->options.bus.position_text(admin->options.bus.arg, position, text);
    headers_add(&out->headers, STR("Freshet-Position"), exchange_copy(exchange, str_of(text)));
}

struct str reply_origin(const char *gui_url, struct str origin)
{
    bool is_anybody = gui_url == NULL || gui_url[0] == '\0';

    if (is_anybody)
        return origin.len > 0 ? origin : STR("*");
    const char *host = strstr(gui_url, "://");
    host = host != NULL ? host + 3 : gui_url;
    return (struct str){gui_url, (size_t)(host - gui_url) + strcspn(host, "/?#")};
}

void reply_send(const struct admin *admin, struct exchange *exchange, const struct answer *answer,
                int64_t received_us, bool is_status_api)
{
    struct exchange_answer out;

    exchange_answer_init(exchange, &out, answer->status);
    out.close = answer->close;
    if (answer->status == 405)
        out.reason = STR("Not Allowed"); /* as clients know it */
    if (wants_header(admin->config, "server_tokens", "Server"))
        headers_add(&out.headers, STR("Server"), str_of(admin->config->server_token));
    if (answer->type != NULL)
        headers_add(&out.headers, STR("Content-Type"), str_of(answer->type));
    add_cors(admin, exchange, answer, &out);
    if (!is_status_api)
        headers_add(&out.headers, STR("Access-Control-Allow-Credentials"), STR("true"));
    if (answer->challenge != NULL)
        headers_add(&out.headers, STR("WWW-Authenticate"), str_of(answer->challenge));
    if (answer->position != 0)
        add_position(admin, exchange, answer->position, &out);
    if (answer->laggards != NULL)
        headers_add(&out.headers, STR("Freshet-Laggards"), str_of(answer->laggards));
    if (answer->cache_key != NULL)
        headers_add(&out.headers, STR("X-Cache-Key"), str_of(answer->cache_key));
    if (answer->etag[0] != '\0')
        headers_add(&out.headers, STR("ETag"), str_of(answer->etag));
    if (answer->etag[0] != '\0' || answer->position != 0)
        headers_add(&out.headers, STR("Access-Control-Expose-Headers"),
                    STR("ETag, Freshet-Position, Freshet-Laggards"));
    if (wants_header(admin->config, "latency_tokens", "X-Kong-Admin-Latency"))
        headers_add(&out.headers, STR("X-Kong-Admin-Latency"),
                    exchange_printf(exchange, "%" PRId64, (loop_clock_us() - received_us) / 1000));
    if (answer->source != NULL) {
        exchange_begin(exchange, &out, /* length= */ -1);
        return;
    }
    const char *body = answer->body != NULL ? answer->body : answer->text;
    exchange_reply(exchange, &out, (struct str){body != NULL ? body : "", answer->body_len});
}
