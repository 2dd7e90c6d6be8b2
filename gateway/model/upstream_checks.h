#pragma once

/*
 * upstream_checks - names of upstreams and cookies, and what a target may be (Admin API reference
 * 2.5, 2.6).
 *
 * Checks return true, or false with the message a client sees. Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"

bool upstream_check_name(const cJSON *value, char message[256]);
bool upstream_check_cookie(const cJSON *value, char message[256]);
/* A host with or without a port. */
bool upstream_check_host_header(const cJSON *value, char message[256]);

enum {
    TARGET_SIZE = 320 /* a host name, a port, brackets and NUL */
};

/*
 * "host:port" in the one form in which it is stored: with a port, IPv6 in brackets and in full, IPv4 without
 * leading zeros. false: it is no host.
 */
bool target_normalise(const char *text, char stored[TARGET_SIZE]);
