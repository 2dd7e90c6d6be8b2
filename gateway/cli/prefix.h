#pragma once

/*
 * prefix - the working directory of a node: who runs there, under which identity, and its files.
 *
 *   pids/freshet.pid   the process; locked as long as it lives, so a stale file is never believed
 *   logs/error.log     with --daemon
 *   ssl/               the self-signed pair of TLS listeners
 *   node_id            made once
 *   reload_result      what the last reload did, for `freshet reload`; likewise upgrade_result
 *
 * Threads: one caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/uuid.h"

/* Creates the directory and those in it. */
bool prefix_prepare(const char *prefix, struct err *err) MUST_CHECK;
bool prefix_exists(const char *prefix);

/* prefix/name; the caller owns it. */
char *prefix_path(const char *prefix, const char *name);

/*
 * Becomes the one process of this prefix: *lock is the open file, closed when the process ends. Survives
 * fork; call prefix_write_pid() afterwards. false with ERR_CONFLICT: another one runs.
 */
bool prefix_lock(const char *prefix, int *lock, struct err *err) MUST_CHECK;
bool prefix_write_pid(int lock, struct err *err) MUST_CHECK;
/* The process that holds the lock, or 0. */
pid_t prefix_running(const char *prefix);

/* `wanted` (a UUID's text) or, when NULL, the one kept in the prefix, made if need be. */
bool prefix_node_id(const char *prefix, const char *wanted, struct uuid *id, struct err *err) MUST_CHECK;

/* Replaces a small file at once: other processes see the old or the new one. */
bool prefix_write(const char *prefix, const char *name, const char *text, struct err *err) MUST_CHECK;
/* At most 64 KiB of it; NULL: there is none. The caller owns it. */
char *prefix_read(const char *prefix, const char *name);
