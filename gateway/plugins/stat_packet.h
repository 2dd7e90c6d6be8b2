#pragma once

/*
 * stat_packet - lines of metrics cut into datagrams. Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"

/*
 * The next datagram of `lines`, each of which ends in '\n', from `*from` on, which moves behind it: as many
 * lines as fit into `limit` bytes, without the last newline; at least one, however long. limit 0: one line.
 * False: there are no more.
 */
bool stat_packet_next(struct str lines, size_t limit, size_t *from, struct str *packet);
