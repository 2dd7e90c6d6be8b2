#pragma once

/*
 * texts - checks of the text types that several entities share (Admin API reference, 1.10), and fields all
 * entities have.
 *
 * A check returns true, or false with the message a client sees. Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/model/schema.h"

bool text_is_name(const cJSON *value, char message[256]);
bool text_is_tag(const cJSON *value, char message[256]);
bool text_is_host(const cJSON *value, char message[256]);
bool text_is_sni(const cJSON *value, char message[256]);
bool text_is_path(const cJSON *value, char message[256]);
bool text_is_method(const cJSON *value, char message[256]);
bool text_is_ip_or_cidr(const cJSON *value, char message[256]);
/* One asterisk may stand for the first or the last label, or for all of them. */
bool text_is_wildcard_sni(const cJSON *value, char message[256]);
/* In PEM format. */
bool text_is_certificate(const cJSON *value, char message[256]);
bool text_is_private_key(const cJSON *value, char message[256]);
/* Host name or address as in URLs: labels, no port. */
bool host_is_valid(struct str host);
bool address_is_valid(struct str address);
/* Compiles; false: the compiler's words. */
bool pattern_is_valid(const char *pattern, char words[160]);
/* Position of the first byte that is not UTF-8, 1-based; 0: all is. */
size_t utf8_fault(struct str text);
/* Bytes that are no UTF-8 become '?': what a client sent may be quoted in an answer, which must be UTF-8. */
void utf8_mend(char *text);

/* clang-format off */
#define FIELD_ROW_ID         {.name = "id", .kind = FIELD_STRING, .flags = FIELD_UUID | FIELD_AUTO}
#define FIELD_ROW_CREATED_AT {.name = "created_at", .kind = FIELD_INTEGER, .flags = FIELD_TIMESTAMP | FIELD_AUTO}
#define FIELD_ROW_UPDATED_AT {.name = "updated_at", .kind = FIELD_INTEGER, .flags = FIELD_TIMESTAMP | FIELD_AUTO | FIELD_READ_ONLY}
#define FIELD_ROW_TAGS       {.name = "tags", .kind = FIELD_SET, .elements = &tag_element}
#define FIELD_ROW_NAME       {.name = "name", .kind = FIELD_STRING, .flags = FIELD_UNIQUE, .check = text_is_name}
/* clang-format on */

extern const struct field tag_element;
extern const char *const protocol_names[]; /* all, in the order of messages; NULL-terminated */
extern const char *const *const protocol_groups[];
