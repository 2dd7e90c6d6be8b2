#pragma once

/*
 * listen - addresses as settings name them, for the servers of a front.
 *
 * Threads: main.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/config/config.h"
#include "gateway/http/listener.h"

/*
 * Opens the addresses of `list` on the front, as the server that `server` describes but for its addresses.
 * An empty list opens none. Fails with the setting's name in front.
 */
bool listen_add(struct http_front *front, const struct http_server_options *server,
                const struct config_list *list, struct err *err) MUST_CHECK;
/* Binds the addresses of `list`; `setting` is its name, for what goes wrong. */
bool listen_bind(struct listen_sockets *sockets, const char *setting, const struct config_list *list,
                 struct err *err) MUST_CHECK;
