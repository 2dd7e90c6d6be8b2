#pragma once

/*
 * route_checks - what is special about routes: paths, hosts, headers, and which fields go with which
 * protocols (Admin API reference 2.2).
 *
 * Threads: any; pure.
 */

#include "gateway/model/document.h"

bool route_path_check(const cJSON *value, char message[256]);
bool route_host_check(const cJSON *value, char message[256]);
bool route_header_check(const cJSON *value, char message[256]);
/* Before validation: messages of `protocols` that hide those of its elements. */
void route_expand(cJSON *document, struct violations *violations);
/* Rules over several fields. */
void route_check_snis(const cJSON *document, struct violations *violations);
void route_check_family(const cJSON *document, struct violations *violations);
void route_check_patterns(const cJSON *document, struct violations *violations);
