#pragma once

/*
 * header_name - names of headers as settings of plugins. Threads: any; pure.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

/* Letters, digits, '-' and '_'. false: the message a client sees. */
bool text_is_header_name(const cJSON *value, char message[256]);
