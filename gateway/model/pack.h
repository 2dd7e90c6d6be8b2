#pragma once

/*
 * pack - a typed object with all its texts and lists in one block of memory.
 *
 * The object is packed twice: once with at == NULL, which only counts, and once into a block of that size.
 * Ten thousand routes then cost ten thousand allocations of the right size, and free(3) releases any of them.
 *
 *     static bool pack(struct packer *packer, const cJSON *document, struct thing *thing, struct err *err);
 *
 * Threads: any.
 */

#include <string.h>

#include <cjson/cJSON.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"

struct packer {
    char *at; /* NULL: counting */
    size_t used;
};

/* Room for `size` bytes, aligned for pointers; NULL while counting. */
void *pack_room(struct packer *packer, size_t size);
/* A copy; NULL when text is. */
char *pack_text(struct packer *packer, const char *text);
/* The texts of an array or set; null and others are left out. */
struct texts pack_texts(struct packer *packer, const cJSON *array);

/* The same in lower case, as host names are compared. */
char *pack_lower(struct packer *packer, const char *text);
/* The ids of an array; what is none is left out. */
struct uuid *pack_ids(struct packer *packer, const cJSON *array, size_t *count);

/* Texts and times back as JSON, for show(). */
cJSON *show_texts(const struct texts *texts);
cJSON *show_text(const char *text);
cJSON *show_reference(const struct uuid *id);
cJSON *show_id(const struct uuid *id);
cJSON *show_protocols(unsigned protocols);
/* Takes the null members out: entries of the cache are shown without (reference 4). Returns `shown`. */
cJSON *show_without_nulls(cJSON *shown);
/* What a cJSON value costs, about. */
size_t json_bytes(const cJSON *value);

/* decode() of a schema whose pack function is `pack`. */
#define PACK_DECODE(type, pack) PACK_DECODE_AS(decode, type, pack)
#define PACK_DECODE_AS(decode, type, pack)                                                                   \
    static bool decode(const cJSON *document, void **object, size_t *bytes, struct err *err)                 \
    {                                                                                                        \
        struct packer packer = {.used = sizeof(struct type)};                                                \
        struct type counted;                                                                                 \
        memset(&counted, 0, sizeof(counted));                                                                \
        if (!pack(&packer, document, &counted, err))                                                         \
            return false;                                                                                    \
        struct type *made = mem_zalloc(packer.used);                                                         \
        *bytes = packer.used;                                                                                \
        packer = (struct packer){.at = (char *)made, .used = sizeof(struct type)};                           \
        *object = made;                                                                                      \
        return pack(&packer, document, made, err);                                                           \
    }
