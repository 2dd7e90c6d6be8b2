#pragma once

/*
 * certificates - which of the stored certificates is shown under a name (data-plane reference, 6.1).
 *
 * Two look-ups per rule that is tried, in the snapshot of the moment: nothing is locked or allocated.
 *
 * Threads: any that has pinned the snapshot.
 */

#include <stdbool.h>

#include "gateway/base/digest.h"
#include "gateway/base/str.h"

struct loop;
struct snapshot;
struct ssl_st;
struct tls_identity;
struct uuid;

/* Under which the row of an SNI is looked for; the name is in lower case. */
void certificates_name_key(struct str name, struct digest *key);
/* name: in lower case; at == NULL: none was sent. NULL: nothing stored belongs to it. */
const struct tls_identity *certificates_find(const struct snapshot *snapshot, struct str name);
/* By the id of a certificate; NULL: there is none that can be used. */
const struct tls_identity *certificates_get(const struct snapshot *snapshot, const struct uuid *id);

/* For the front: arg is the proxy. */
bool certificates_show(void *arg, struct loop *loop, struct str name, struct ssl_st *ssl);
