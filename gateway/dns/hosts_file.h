#pragma once

/*
 * hosts_file - names and addresses of a file like /etc/hosts (hosts(5)), as answers.
 *
 * A name has the addresses of one family: the one that is preferred, if it has any. "localhost" is there
 * whatever the file says (RFC 6761, 6.3). Only a regular file of at most 16 MiB is read, so that neither a
 * pipe nor a device can stop the reader; the first 100,000 names count.
 *
 * Threads: any; immutable once read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>
#include <sys/stat.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct hosts_file;
struct resolver_answer;

/* What tells one version of the file from another. */
struct hosts_version {
    bool there;
    struct timespec changed_at;
    ino_t inode;
    off_t size;
};
struct hosts_version hosts_version_of(const char *path);
bool hosts_version_equal(const struct hosts_version *a, const struct hosts_version *b);

/* A file that is not there is an empty one. Never NULL. Answers have this number. */
struct hosts_file *hosts_file_read(const char *path, sa_family_t preferred, uint64_t number);
void hosts_file_free(struct hosts_file *file);
/* Takes over the answers of `before` that are the same, numbers included. False: none differs. */
bool hosts_file_adopt(struct hosts_file *file, const struct hosts_file *before);
/* `name` in lower case, without a dot at the end. Borrowed, or NULL. */
const struct resolver_answer *hosts_file_find(const struct hosts_file *file, struct str name);
size_t hosts_file_count(const struct hosts_file *file);

/* A numeric address, brackets around IPv6 allowed; port 0. */
bool address_from_str(struct str text, struct sockaddr_storage *address) MUST_CHECK;
