#pragma once

/*
 * tls_self_signed - certificates for "localhost" that nobody has signed, for servers that were given none.
 *
 * Threads: one at a time. Blocks on the disk.
 */

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct tls_identity;

/* For this process: P-256, for ten years. */
bool tls_self_signed_new(struct tls_identity **identity, struct err *err) MUST_CHECK;
/*
 * RSA and P-256, kept as default.crt, default.key, default-ecdsa.crt and default-ecdsa.key in the directory,
 * so that whoever has pinned one still knows it after a restart. Made if there are none.
 */
bool tls_self_signed_keep(const char *directory, struct tls_identity **identity, struct err *err) MUST_CHECK;
