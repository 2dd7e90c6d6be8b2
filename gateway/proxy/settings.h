#pragma once

/*
 * settings - the live settings of the proxy as requests need them: worked out once, then never written.
 *
 * Threads: made on main; immutable.
 */

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

#include "gateway/base/network.h"
#include "gateway/base/str.h"
#include "gateway/chain/error_page.h"
#include "gateway/config/config.h"
#include "gateway/proxy/access_log.h"

struct settings {
    unsigned answer_headers, upstream_headers; /* bits of config/header_tokens.h */
    struct str server_token;
    struct str charset; /* of text answers that name none; at == NULL: they stay so */
    enum access_format access_format;
    struct error_templates templates;
    enum error_page_type error_type; /* of engine errors, for clients that do not say */
    struct network *trusted;
    size_t trusted_count;
    struct str real_ip_header;
    bool real_ip_is_peer; /* proxy_protocol: the peer's address is already the client's */
    bool real_ip_recursive;
    struct config_port_map *port_maps;
    size_t port_map_count;
    bool debug_headers;
    unsigned traced; /* bits of chain/span.h */
    double sampling_rate;
    bool refuse_when_stale;
    bool takes_min_position;
    struct settings *next; /* the proxy's list of all it has made */
};

/* Texts are copied, files are read: one that is no page any more, after it has been checked, is logged. */
struct settings *settings_new(const struct config *config);
void settings_free(struct settings *settings);

bool settings_trust(const struct settings *settings, const struct sockaddr_storage *peer);
/* As clients know the port that they have come to. */
int settings_public_port(const struct settings *settings, int local_port);
