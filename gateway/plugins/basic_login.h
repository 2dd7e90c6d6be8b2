#pragma once

/*
 * basic_login - user name and password as clients send them (RFC 7617).
 *
 * Threads: the exchange's loop; results are in its memory.
 */

#include "gateway/base/str.h"

struct exchange;
struct header;

struct basic_login {
    struct str username, password; /* username.len 0: there is none */
};

/* "Basic dXNlcjpwYXNz"; only the first colon divides. header NULL: none. */
struct basic_login basic_login_read(struct exchange *exchange, const struct header *header);
