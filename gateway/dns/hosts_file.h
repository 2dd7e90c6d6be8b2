#pragma once

/*
 * hosts_file - names and addresses of a file like /etc/hosts (hosts(5)).
 *
 * Threads: any; immutable once read.
 */

#include <stddef.h>

#include <sys/socket.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct hosts_file;

/* A file that is not there is an empty one. Never NULL. */
struct hosts_file *hosts_file_read(const char *path);
void hosts_file_free(struct hosts_file *file);
/* `name` in lower case. The first `capacity` addresses of it; returns how many. */
size_t hosts_file_find(const struct hosts_file *file, struct str name, struct sockaddr_storage *addresses,
                       size_t capacity);

/* A numeric address, brackets around IPv6 allowed; port 0. */
bool address_from_str(struct str text, struct sockaddr_storage *address) MUST_CHECK;
