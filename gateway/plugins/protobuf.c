/*
 * protobuf - see protobuf.h.
 */

#include "gateway/plugins/protobuf.h"

#include <string.h>

enum {
    VARINT_MAX = 10,
    /* Wire types. */
    VARINT = 0,
    FIXED64 = 1,
    LENGTH = 2
};

static size_t write_varint(char to[VARINT_MAX], uint64_t value)
{
    size_t len = 0;

    for (; value >= 0x80; value >>= 7)
        to[len++] = (char)(value | 0x80);
    to[len++] = (char)value;
    return len;
}

static void add_varint(struct buf *buf, uint64_t value)
{
    buf->len += write_varint(buf_reserve(buf, VARINT_MAX), value);
}

static void add_tag(struct buf *buf, uint32_t field, unsigned type)
{
    add_varint(buf, (uint64_t)field << 3 | type);
}

void protobuf_add_number(struct buf *buf, uint32_t field, uint64_t value)
{
    add_tag(buf, field, VARINT);
    add_varint(buf, value);
}

void protobuf_add_fixed64(struct buf *buf, uint32_t field, uint64_t value)
{
    add_tag(buf, field, FIXED64);
    for (int i = 0; i < 8; i++)
        buf_add_byte(buf, (char)(value >> (8 * i)));
}

void protobuf_add_bytes(struct buf *buf, uint32_t field, struct str bytes)
{
    add_tag(buf, field, LENGTH);
    add_varint(buf, bytes.len);
    buf_add_str(buf, bytes);
}

void protobuf_add_text(struct buf *buf, uint32_t field, struct str text)
{
    bool is_good = str_is_utf8(text);

    protobuf_add_bytes(buf, field, text);
    for (char *at = buf->at + buf->len - text.len; !is_good && at < buf->at + buf->len; at++)
        if ((*at & 0x80) != 0)
            *at = '?';
}

size_t protobuf_open(struct buf *buf, uint32_t field)
{
    add_tag(buf, field, LENGTH);
    return buf->len;
}

void protobuf_close(struct buf *buf, size_t opened)
{
    char length[VARINT_MAX];
    size_t inside = buf->len - opened;
    size_t len = write_varint(length, inside);

    (void)buf_reserve(buf, len);
    memmove(buf->at + opened + len, buf->at + opened, inside);
    memcpy(buf->at + opened, length, len);
    buf->len += len;
}
