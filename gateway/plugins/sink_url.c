/* sink_url - see sink_url.h. */

#include "gateway/plugins/sink_url.h"

#include <string.h>

static const char behind_host[] = "/?#";

struct sink_url sink_url_split(const char *url)
{
    const char *slashes = strstr(url, "://");
    const char *host = slashes != NULL ? slashes + 3 : url;
    const char *at = memrchr(host, '@', strcspn(host, behind_host));

    return (struct sink_url){.scheme = {url, (size_t)(host - url)},
                             .user = at != NULL ? (struct str){host, (size_t)(at - host)} : STR(""),
                             .rest = str_of(at != NULL ? at + 1 : host)};
}

struct str sink_url_shown(const char *url)
{
    struct str rest = sink_url_split(url).rest;

    return str_part(rest, 0, strcspn(rest.at, behind_host));
}
