/*
 * origin - see origin.h.
 */

#include "gateway/proxy/origin.h"

#include "gateway/base/network.h"
#include "gateway/http/exchange.h"
#include "gateway/proxy/settings.h"

/* The last element of a list, taken off it. */
static struct str take_last(struct str *list)
{
    size_t from = list->len;

    while (from > 0 && list->at[from - 1] != ',')
        from--;
    struct str last = str_trim(str_part(*list, from, list->len));
    *list = from > 0 ? str_part(*list, 0, from - 1) : STR_NONE;
    return last;
}

/* "1.2.3.4:5" and "[::1]:5" without their ports. */
static struct str without_port(struct str text)
{
    size_t colon = str_find(text, ':', 0);
    size_t bracket = str_find(text, ']', 0);

    if (text.len > 0 && text.at[0] == '[' && bracket != SIZE_MAX)
        return str_part(text, 1, bracket);
    if (colon != SIZE_MAX && str_find(text, ':', colon + 1) == SIZE_MAX)
        return str_part(text, 0, colon);
    return text;
}

struct walk {
    const struct settings *settings;
    struct str found;
    bool over;
};

/* From the right: the last address, or with real_ip_recursive the first that is not one of ours. */
static void walk_line(struct walk *walk, struct str list)
{
    struct sockaddr_storage address;

    while (list.len > 0 && !walk->over) {
        struct str item = take_last(&list);
        if (item.len == 0)
            continue;
        struct str text = without_port(item);
        walk->over = true;
        if (!network_address(text, &address))
            return;
        walk->found = text;
        walk->over = !walk->settings->real_ip_recursive || !settings_trust(walk->settings, &address);
    }
}

/* Lines of one name are one list (RFC 9110, section 5.2). */
static struct str real_address(struct exchange *exchange, const struct settings *settings)
{
    const struct exchange_request *request = exchange_request(exchange);
    struct walk walk = {.settings = settings, .found = request->peer_address};

    for (size_t i = request->headers.count; i > 0 && !walk.over; i--)
        if (str_equal_nocase(request->headers.at[i - 1].name, settings->real_ip_header))
            walk_line(&walk, request->headers.at[i - 1].value);
    return walk.found;
}

void origin_read(struct exchange *exchange, const struct settings *settings, struct origin *origin)
{
    const struct exchange_request *request = exchange_request(exchange);

    *origin = (struct origin){
        .trusted = settings->trusted_count > 0 && settings_trust(settings, &request->peer),
        .address = request->peer_address,
        .scheme = request->tls ? STR("https") : STR("http"),
    };
    if (!origin->trusted)
        return;
    const struct header *scheme = headers_find(&request->headers, STR("X-Forwarded-Proto"));
    if (scheme != NULL)
        origin->scheme = scheme->value;
    if (!settings->real_ip_is_peer)
        origin->address = real_address(exchange, settings);
}

/* What follows the last ':' is a port when it is all digits (data-plane reference, 1.3). */
struct str origin_host_of(struct str authority)
{
    size_t colon = authority.len;

    while (colon > 0 && authority.at[colon - 1] >= '0' && authority.at[colon - 1] <= '9')
        colon--;
    return colon > 0 && authority.at[colon - 1] == ':' ? str_part(authority, 0, colon - 1) : authority;
}

struct str origin_host(struct exchange *exchange, const struct origin *origin)
{
    const struct exchange_request *request = exchange_request(exchange);
    const struct header *said =
        origin->trusted ? headers_find(&request->headers, STR("X-Forwarded-Host")) : NULL;

    if (said != NULL)
        return origin_host_of(said->value);
    if (request->host.at == NULL) /* HTTP/1.0: where it came to is all that is known */
        return str_find(request->local_address, ':', 0) == SIZE_MAX
                   ? request->local_address
                   : exchange_printf(exchange, "[%.*s]", STR_ARG(request->local_address));
    struct str host = origin_host_of(request->host);
    bool is_lower = true;
    for (size_t i = 0; i < host.len; i++)
        is_lower = is_lower && !(host.at[i] >= 'A' && host.at[i] <= 'Z');
    if (is_lower)
        return host;
    char *lower = exchange_alloc(exchange, host.len + 1);
    for (size_t i = 0; i < host.len; i++)
        lower[i] = (char)(host.at[i] >= 'A' && host.at[i] <= 'Z' ? host.at[i] - 'A' + 'a' : host.at[i]);
    return (struct str){lower, host.len};
}
