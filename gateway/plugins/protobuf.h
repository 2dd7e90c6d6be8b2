#pragma once

/*
 * protobuf - messages in the wire format of protocol buffers, written field by field (protobuf.dev,
 * Encoding).
 *
 * A message inside another is opened and closed; its length is put in front when it is known. Fields of the
 * value 0 or "" are written too: leave out what is not there.
 *
 * Threads: any; a buffer belongs to its caller.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

void protobuf_add_number(struct buf *buf, uint32_t field, uint64_t value);
void protobuf_add_fixed64(struct buf *buf, uint32_t field, uint64_t value);
void protobuf_add_bytes(struct buf *buf, uint32_t field, struct str bytes);
/* Whatever bytes a text has: those that are no UTF-8, which readers would not take, become '?'. */
void protobuf_add_text(struct buf *buf, uint32_t field, struct str text);

/* Returns what _close() wants to know. */
size_t protobuf_open(struct buf *buf, uint32_t field);
void protobuf_close(struct buf *buf, size_t opened);
