#pragma once

/*
 * pairs - "name:value" as the transformers write what they change (plugin reference, 13 and 14).
 *
 * A check returns true, or false with the message a client sees. Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/model/schema.h"

extern const struct field_note part_pair_notes[];

/* Something, a colon, anything. */
bool text_is_pair(const cJSON *value, char message[256]);
/* The name has a value; a pair is cut at its first colons. */
bool text_has_value(const cJSON *value, char message[256]);
/* The name of a header; a value may follow. */
bool text_is_a_header(const cJSON *value, char message[256]);
/* A pair whose name is a header's; the same with a value that is not empty; the same with a header as value.
 */
bool text_is_header_pair(const cJSON *value, char message[256]);
bool text_is_header_with_value(const cJSON *value, char message[256]);
bool text_is_header_rename(const cJSON *value, char message[256]);
