#pragma once

/*
 * probe_head - the request a probe asks with: GET in HTTP/1.0, a host, the headers of the settings.
 *
 * Threads: any; pure.
 */

#include "gateway/base/str.h"

struct upstream;

/* target_host: what the peer is called unless the upstream has a host_header. Appends. */
void probe_head_write(const struct upstream *upstream, struct str target_host, struct buf *head);
