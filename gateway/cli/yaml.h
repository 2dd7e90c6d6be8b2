#pragma once

/*
 * yaml - YAML text as a cJSON tree and back.
 *
 * One document; anchors, aliases and merge keys are resolved while it is read. What a file can make of a few
 * bytes is bounded: depth, members of one mapping, and the memory that aliases copy. Plain scalars have the
 * types of YAML 1.1 that people expect: null, true, yes, on, 0x1f, 017, 1_000, 1.5; sexagesimal numbers and
 * dates stay texts. Keys are texts as they are written.
 *
 * Objects and arrays carry the line they begin in as `valueint`, which cJSON has no use for.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

/* The caller owns *tree. An empty text is null. */
bool yaml_read(struct str text, cJSON **tree, struct err *err) MUST_CHECK;
/* Adds the tree as one document, which yaml_read() takes for the same tree. */
bool yaml_write(const cJSON *tree, struct buf *to, struct err *err) MUST_CHECK;

/* What a plain scalar means. The caller owns it. */
cJSON *yaml_scalar(const char *text);
