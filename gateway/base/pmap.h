#pragma once

/*
 * pmap - a persistent map from 16 bytes to a pointer: changing it makes a new map that shares almost
 * everything.
 *
 * Routing snapshots are made of these (consistency reference, 7.1). A hash trie with 32-way nodes; keys are
 * random (uuids, digests), so their own bits are the hash. A change copies one path: a few hundred bytes.
 *
 * Nodes are counted without atomics: all functions that make or free maps run on one thread at a time (the
 * bus thread, or main at start and end); pmap_find and pmap_each may run on any thread as long as the map
 * they were given is kept alive and was published with release order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pmap; /* NULL is the empty map */

typedef void (*pmap_ref_fn)(void *value);

struct pmap_values {
    pmap_ref_fn ref; /* a map takes a reference of its own to each value; NULL: values are not counted */
    pmap_ref_fn unref;
};

/*
 * *map becomes one in which key -> value stands in place of whatever key had; value NULL: nothing. The
 * reference in *map goes over to the new map. What only *map holds is changed in place; what others hold too
 * stays as it is for them, so building a map of a thousand keys costs a thousand leaves.
 */
void pmap_set(struct pmap **map, const struct pmap_values *values, const uint8_t key[16], void *value);
/*
 * Where the value of key stands in *map, to be changed there by its own rules (never to NULL); what others
 * hold keeps a reference of its own to the value. NULL: key is not in it. Good until the map is used again.
 */
void **pmap_slot(struct pmap **map, const struct pmap_values *values, const uint8_t key[16]);
struct pmap *pmap_ref(struct pmap *map);
void pmap_unref(struct pmap *map, const struct pmap_values *values);

void *pmap_find(const struct pmap *map, const uint8_t key[16]);
size_t pmap_count(const struct pmap *map);
/* In key order of the hash; stops when `each` returns false. */
void pmap_each(const struct pmap *map, bool (*each)(void *arg, const uint8_t key[16], void *value),
               void *arg);
