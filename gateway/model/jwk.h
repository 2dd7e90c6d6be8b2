#pragma once

/*
 * jwk - is a JSON Web Key (RFC 7517, 7518, 8037) one that OpenSSL can use? RSA, EC and OKP, public or
 * private.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

bool jwk_is_key(const cJSON *jwk);
