#pragma once

/*
 * page_token - where the next page of a list begins, as an opaque text for clients.
 *
 * Unpadded base64 of the JSON array of the primary key of the next page's first row: WyI1ZDYwN2Y... Pure.
 *
 * Threads: any.
 */

#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

enum {
    PAGE_TOKEN_SIZE = 56
}; /* 40 bytes of JSON are 54 characters, a NUL and one to spare */
enum {
    PAGE_TOKEN_WITHIN_SIZE = 72
}; /* ten more bytes of JSON */

/* Returns `text`. */
const char *page_token_make(const struct uuid *id, char text[PAGE_TOKEN_SIZE]);

enum page_token_verdict {
    PAGE_TOKEN_OK,
    PAGE_TOKEN_BAD_BASE64,
    PAGE_TOKEN_BAD_JSON, /* also JSON that is not the array of one uuid */
};
enum page_token_verdict page_token_read(struct str token, struct uuid *id) MUST_CHECK;

/*
 * The same for lists with several rows per id: ["<uuid>",<place>], from 1 on. What has no place means the
 * first.
 */
const char *page_token_make_within(const struct uuid *id, int64_t place, char text[PAGE_TOKEN_WITHIN_SIZE]);
enum page_token_verdict page_token_read_within(struct str token, struct uuid *id, int64_t *place) MUST_CHECK;
