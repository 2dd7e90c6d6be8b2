/*
 * pmap - a hash trie: each level uses five bits of the key, a node holds only the slots that are taken.
 *
 * A slot is a leaf (key and value) or a node of the next level; the lowest bit of the pointer tells which.
 * Keys are unique and 128 bits long, so two of them part at some level.
 */

#include "gateway/base/pmap.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum {
    BITS = 5,
    FAN = 1 << BITS
};

struct leaf {
    uint32_t refs;
    uint8_t key[16];
    void *value;
};

struct node {
    uint32_t refs;
    uint32_t taken; /* bit i: slot i is there */
    uintptr_t slots[];
};

struct pmap {
    uint32_t refs;
    size_t count;
    struct node *root;
};

static bool is_leaf(uintptr_t slot)
{
    return (slot & 1) != 0;
}

static struct leaf *leaf_of(uintptr_t slot)
{
    return (struct leaf *)(slot & ~(uintptr_t)1); /* NOLINT(performance-no-int-to-ptr) */
}

static struct node *node_of(uintptr_t slot)
{
    return (struct node *)slot; /* NOLINT(performance-no-int-to-ptr) */
}

static unsigned bits_at(const uint8_t key[16], unsigned level)
{
    unsigned from = level * BITS;
    unsigned byte = from / 8;
    unsigned word = key[byte] | (byte + 1 < 16 ? (unsigned)key[byte + 1] << 8 : 0);
    return word >> from % 8 & (FAN - 1);
}

static unsigned slot_count(const struct node *node)
{
    return (unsigned)__builtin_popcount(node->taken);
}

/* Where slot `bits` stands in slots[], taken or not. */
static unsigned position_of(const struct node *node, unsigned bits)
{
    return (unsigned)__builtin_popcount(node->taken & ((1U << bits) - 1));
}

static void slot_ref(uintptr_t slot)
{
    if (is_leaf(slot))
        leaf_of(slot)->refs++;
    else
        node_of(slot)->refs++;
}

static void slot_unref(uintptr_t slot, const struct pmap_values *values)
{
    if (is_leaf(slot)) {
        struct leaf *leaf = leaf_of(slot);
        if (--leaf->refs > 0)
            return;
        if (values->unref != NULL)
            values->unref(leaf->value);
        free(leaf);
        return;
    }
    struct node *node = node_of(slot);
    if (--node->refs > 0)
        return;
    for (unsigned i = 0; i < slot_count(node); i++)
        slot_unref(node->slots[i], values);
    free(node);
}

static uintptr_t leaf_new(const struct pmap_values *values, const uint8_t key[16], void *value)
{
    struct leaf *leaf = mem_alloc(sizeof(*leaf));
    leaf->refs = 1;
    memcpy(leaf->key, key, sizeof(leaf->key));
    leaf->value = value;
    if (values->ref != NULL)
        values->ref(value);
    return (uintptr_t)leaf | 1;
}

/* A copy with `slot` (owned) put at `bits`; what was there goes. slot 0: it is left out. */
static struct node *node_with(const struct node *node, unsigned bits, uintptr_t slot)
{
    uint32_t bit = 1U << bits;
    uint32_t taken = node != NULL ? node->taken : 0;
    uint32_t after = slot != 0 ? taken | bit : taken & ~bit;
    struct node *copy = mem_alloc(sizeof(*copy) + (size_t)__builtin_popcount(after) * sizeof(uintptr_t));
    unsigned at = 0;
    copy->refs = 1;
    copy->taken = after;
    for (unsigned i = 0; i < FAN; i++) {
        if ((after >> i & 1) == 0)
            continue;
        if (i == bits) {
            copy->slots[at++] = slot;
        } else {
            uintptr_t kept = node->slots[position_of(node, i)];
            slot_ref(kept);
            copy->slots[at++] = kept;
        }
    }
    return copy;
}

static struct node *insert(const struct node *node, unsigned level, const uint8_t key[16], uintptr_t leaf,
                           bool *replaced)
{
    unsigned bits = bits_at(key, level);
    if (node == NULL || (node->taken >> bits & 1) == 0)
        return node_with(node, bits, leaf);
    uintptr_t slot = node->slots[position_of(node, bits)];
    if (!is_leaf(slot))
        return node_with(node, bits, (uintptr_t)insert(node_of(slot), level + 1, key, leaf, replaced));
    struct leaf *old = leaf_of(slot);
    if (memcmp(old->key, key, sizeof(old->key)) == 0) {
        *replaced = true;
        return node_with(node, bits, leaf);
    }
    /* Two keys in one slot: a level between them. */
    old->refs++;
    struct node *between = node_with(NULL, bits_at(old->key, level + 1), slot);
    struct node *both = insert(between, level + 1, key, leaf, replaced);
    static const struct pmap_values nothing = {0};
    slot_unref((uintptr_t)between, &nothing);
    return node_with(node, bits, (uintptr_t)both);
}

/* NULL: nothing is left. The key is known to be there. */
static struct node *without(const struct node *node, unsigned level, const uint8_t key[16])
{
    unsigned bits = bits_at(key, level);
    uintptr_t slot = node->slots[position_of(node, bits)];
    struct node *inner = is_leaf(slot) ? NULL : without(node_of(slot), level + 1, key);
    if (inner == NULL && slot_count(node) == 1)
        return NULL;
    return node_with(node, bits, (uintptr_t)inner);
}

static struct pmap *pmap_new(struct node *root, size_t count)
{
    struct pmap *map = mem_alloc(sizeof(*map));
    *map = (struct pmap){.refs = 1, .count = count, .root = root};
    return map;
}

struct pmap *pmap_with(const struct pmap *map, const struct pmap_values *values, const uint8_t key[16],
                       void *value)
{
    bool replaced = false;
    struct node *root =
        insert(map != NULL ? map->root : NULL, 0, key, leaf_new(values, key, value), &replaced);
    return pmap_new(root, pmap_count(map) + (replaced ? 0 : 1));
}

struct pmap *pmap_without(const struct pmap *map, const struct pmap_values *values, const uint8_t key[16])
{
    (void)values;
    if (pmap_find(map, key) == NULL)
        return pmap_ref((struct pmap *)(uintptr_t)map); /* NOLINT(performance-no-int-to-ptr) */
    struct node *root = without(map->root, 0, key);
    return root != NULL ? pmap_new(root, map->count - 1) : NULL;
}

struct pmap *pmap_ref(struct pmap *map)
{
    if (map != NULL)
        map->refs++;
    return map;
}

void pmap_unref(struct pmap *map, const struct pmap_values *values)
{
    if (map == NULL || --map->refs > 0)
        return;
    slot_unref((uintptr_t)map->root, values);
    free(map);
}

void *pmap_find(const struct pmap *map, const uint8_t key[16])
{
    const struct node *node = map != NULL ? map->root : NULL;
    for (unsigned level = 0; node != NULL; level++) {
        unsigned bits = bits_at(key, level);
        if ((node->taken >> bits & 1) == 0)
            return NULL;
        uintptr_t slot = node->slots[position_of(node, bits)];
        if (is_leaf(slot)) {
            const struct leaf *leaf = leaf_of(slot);
            return memcmp(leaf->key, key, sizeof(leaf->key)) == 0 ? leaf->value : NULL;
        }
        node = node_of(slot);
    }
    return NULL;
}

size_t pmap_count(const struct pmap *map)
{
    return map != NULL ? map->count : 0;
}

static bool each_of(const struct node *node, bool (*each)(void *arg, const uint8_t key[16], void *value),
                    void *arg)
{
    for (unsigned i = 0; i < slot_count(node); i++) {
        uintptr_t slot = node->slots[i];
        if (is_leaf(slot) ? !each(arg, leaf_of(slot)->key, leaf_of(slot)->value)
                          : !each_of(node_of(slot), each, arg))
            return false;
    }
    return true;
}

void pmap_each(const struct pmap *map, bool (*each)(void *arg, const uint8_t key[16], void *value), void *arg)
{
    if (map != NULL)
        (void)each_of(map->root, each, arg);
}
